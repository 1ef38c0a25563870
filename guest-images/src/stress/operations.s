# What a processor does, one of these at a time.

# `weights` says how often each comes.
    .balign 8
operations:
    .quad   touch_somewhere,change_one,poke_text,gather_by_bulk,gather_by_block,fork,fill,ask_wrongly,touch_again,turn_over

# One access to a page of anybody's.
touch_somewhere:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      choose_target
    srdi    r5,r28,20
    andi.   r5,r5,1
    bl      touch
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Sixteen to one of the pages that all like best, while its owner may be at it; or to one that is being turned over, by chance or the other one
# of the two.
touch_again:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      choose_target
    mr      r25,r3
    andi.   r26,r4,7
    lis     r9,turned_over@ha
    ld      r4,turned_over@l(r9)
    cmpdi   r4,0
    beq     2f
    addi    r4,r4,-1
    srdi    r25,r4,8
    clrldi  r26,r4,56
    srdi    r4,r28,50
    clrldi  r4,r4,63
    lis     r9,crowd@ha
    ld      r5,crowd@l(r9)
    sld     r4,r4,r5
    add     r26,r26,r4
2:  li      r27,16
1:  mr      r3,r25
    mr      r4,r26
    srd     r5,r28,r27
    andi.   r5,r5,1
    bl      touch
    addi    r27,r27,-1
    cmpdi   r27,0
    bne     1b
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Two pages of one group go in and out of one slot by turns: whoever walks meanwhile, may find in it half of one and half of the
# other.
turn_over:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    # There must be two.
    lis     r9,crowd@ha
    ld      r4,crowd@l(r9)
    cmpdi   r4,8
    bge     3f
    bl      choose_page
    andi.   r26,r26,7
    std     r26,32(r1)
    bl      empty_page
    bl      other_of_group
    bl      empty_page
    srdi    r4,r28,22
    clrldi  r4,r4,61
    addi    r4,r4,1
    std     r4,WANTED_SLOT(r29)
    ld      r26,32(r1)
    sldi    r4,r30,8
    or      r4,r4,r26
    addi    r4,r4,1
    lis     r9,turned_over@ha
    std     r4,turned_over@l(r9)
    li      r4,24
1:  std     r4,40(r1)
    ld      r26,32(r1)
    bl      in_and_out
    bl      other_of_group
    bl      in_and_out
    ld      r4,40(r1)
    addi    r4,r4,-1
    cmpdi   r4,0
    bne     1b
    li      r4,0
    std     r4,WANTED_SLOT(r29)
    lis     r9,turned_over@ha
    std     r4,turned_over@l(r9)
3:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# r26 = the page that is in the group of page r26, too.
other_of_group:
    lis     r9,crowd@ha
    ld      r4,crowd@l(r9)
    li      r5,1
    sld     r5,r5,r4
    add     r26,r26,r5
    blr

# The page r26 is removed if it is there.
empty_page:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      record_of
    ld      r4,STATE(r27)
    andi.   r4,r4,3
    beq     1f
    bl      remove_page
1:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The page r26 is entered and removed.
in_and_out:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      record_of
    li      r24,2
    bl      enter_page
    bl      empty_page
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# A processor in r3 and a page of its own in r4.
choose_target:
    mflr    r0
    bl      next_random
    mtlr    r0
    srdi    r4,r28,40
    divdu   r3,r4,r31
    mulld   r3,r3,r31
    subf    r3,r3,r4
    srdi    r4,r28,24
    clrldi  r4,r4,56
    srdi    r5,r28,33
    andi.   r5,r5,1
    beqlr
    clrldi  r4,r4,61
    blr

# A page of its own comes, goes, or changes.
change_one:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      choose_page
    bl      next_random
    # r24 = what may become its rights.
    srdi    r24,r28,9
    clrldi  r24,r24,63
    ori     r24,r24,2
    ld      r4,STATE(r27)
    andi.   r4,r4,3
    bne     1f
    bl      enter_page
    b       6f
1:  srdi    r4,r28,12
    clrldi  r4,r4,61
    cmpdi   r4,2
    bgt     2f
    bl      remove_page
    b       6f
2:  cmpdi   r4,4
    bgt     3f
    bl      protect_page
    b       6f
3:  cmpdi   r4,5
    bne     4f
    li      r24,0x14
    bl      clear_page
    b       6f
4:  cmpdi   r4,6
    bne     5f
    li      r24,0x10
    bl      clear_page
    b       6f
5:  bl      read_page
6:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# As Linux changes its own text: a page is entered, stored to, and removed.
poke_text:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      choose_page
    ld      r4,STATE(r27)
    andi.   r4,r4,3
    bne     1f
    li      r24,2
    bl      enter_page
    ld      r4,STATE(r27)
    andi.   r4,r4,3
    beq     1f
    mr      r3,r30
    mr      r4,r26
    li      r5,1
    bl      touch
    mr      r3,r30
    mr      r4,r26
    li      r5,0
    bl      touch
    bl      remove_page
1:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# As at a fork: the pages of a run become read-only; each is stored to, in vain, and may be written again.
fork:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      choose_page
    clrrdi  r25,r26,5
    mr      r26,r25
    # r24 = what they are to be.
    li      r24,3
1:  bl      record_of
    ld      r4,STATE(r27)
    andi.   r4,r4,3
    beq     3f
    cmpdi   r24,2
    bne     2f
    mr      r3,r30
    mr      r4,r26
    li      r5,1
    bl      touch
2:  bl      protect_page
3:  addi    r26,r26,1
    andi.   r4,r26,31
    bne     1b
    mr      r26,r25
    addi    r24,r24,-1
    cmpdi   r24,2
    beq     1b
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The pages of a run that are not there, are entered.
fill:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      choose_page
    clrrdi  r26,r26,5
1:  bl      record_of
    ld      r4,STATE(r27)
    andi.   r4,r4,3
    bne     2f
    srd     r24,r28,r26
    clrldi  r24,r24,63
    ori     r24,r24,2
    bl      enter_page
2:  addi    r26,r26,1
    andi.   r4,r26,31
    bne     1b
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# As when Linux unmaps: up to 192 pages are gathered, changed all at once, and removed four in a call.
gather_by_bulk:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      gather
    # r24 = the next of those that were gathered.
    li      r24,0
1:  ld      r4,GATHERED(r29)
    cmpd    r24,r4
    bge     2f
    bl      bulk_remove
    b       1b
2:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The same, and of a block of eight pages all at once.
gather_by_block:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      gather
    li      r24,0
1:  ld      r4,GATHERED(r29)
    cmpd    r24,r4
    bge     2f
    bl      block_remove
    b       1b
2:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Begins the change of the pages that are there of 1 to 24 blocks: their numbers are in LIST, how many in GATHERED.
gather:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      choose_page
    clrrdi  r26,r26,3
    # Few blocks are as likely as many.
    srdi    r25,r28,50
    clrldi  r25,r25,59
    cmpdi   r25,24
    blt     1f
    li      r25,0
1:  addi    r25,r25,1
    sldi    r25,r25,3
    li      r4,0
    std     r4,GATHERED(r29)
2:  bl      record_of
    ld      r4,STATE(r27)
    andi.   r4,r4,3
    beq     3f
    bl      begin_change
    ld      r4,GATHERED(r29)
    sldi    r5,r4,3
    addi    r5,r5,LIST
    stdx    r26,r29,r5
    addi    r4,r4,1
    std     r4,GATHERED(r29)
3:  addi    r26,r26,1
    clrldi  r26,r26,56
    addi    r25,r25,-1
    cmpdi   r25,0
    bne     2b
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The page number r25 of those that were gathered, in r26 and r27; if there are not so many, r27 = 0.
gathered_page:
    li      r27,0
    ld      r4,GATHERED(r29)
    cmpd    r25,r4
    bgelr
    sldi    r26,r25,3
    addi    r26,r26,LIST
    ldx     r26,r29,r26
    b       record_of

# H_BULK_REMOVE of four pages from r24 on, or as many as there are. On the stack are the specifiers.
bulk_remove:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-144(r1)
    mr      r25,r24
    li      r23,0
1:  bl      gathered_page
    # The end mark, or a request by the AVPN.
    li      r4,3
    sldi    r4,r4,62
    li      r5,0
    cmpdi   r27,0
    beq     2f
    li      r4,0x42
    sldi    r4,r4,56
    ld      r5,INDEX(r27)
    or      r4,r4,r5
    ld      r5,FIRST(r27)
    clrrdi  r5,r5,7
2:  addi    r6,r1,32
    sldi    r7,r23,4
    add     r6,r6,r7
    std     r4,0(r6)
    std     r5,8(r6)
    addi    r25,r25,1
    addi    r23,r23,1
    cmpdi   r23,4
    blt     1b
    li      r3,0x124
    ld      r4,32(r1)
    ld      r5,40(r1)
    ld      r6,48(r1)
    ld      r7,56(r1)
    ld      r8,64(r1)
    ld      r9,72(r1)
    ld      r10,80(r1)
    ld      r11,88(r1)
    mr      r25,r24
    bl      gathered_page
    ld      r4,32(r1)
    bl      make_call
    std     r4,32(r1)
    std     r6,40(r1)
    std     r8,48(r1)
    std     r10,56(r1)
    mr      r5,r3
    lis     r3,found_bulk@ha
    addi    r3,r3,found_bulk@l
    bl      expect_success
    li      r23,0
3:  bl      gathered_page
    cmpdi   r27,0
    beq     4f
    addi    r6,r1,32
    sldi    r7,r23,3
    ldx     r5,r6,r7
    # Success, and the index: all but R and C and the flags.
    li      r4,15
    sldi    r4,r4,56
    andc    r4,r5,r4
    li      r7,1
    sldi    r7,r7,63
    ld      r6,INDEX(r27)
    or      r7,r7,r6
    cmpd    r4,r7
    mr      r4,r7
    lis     r3,found_bulk_answer@ha
    addi    r3,r3,found_bulk_answer@l
    ld      r6,ID(r27)
    bne     finding
    srdi    r3,r5,51
    andi.   r3,r3,R+C
    bl      page_is_gone
    addi    r25,r25,1
    addi    r23,r23,1
    cmpdi   r23,4
    blt     3b
4:  addi    r24,r24,4
    addi    r1,r1,144
    ld      r0,16(r1)
    mtlr    r0
    blr

# H_BLOCK_REMOVE of the pages from r24 on that are in the block of the first.
block_remove:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-144(r1)
    mr      r25,r24
    bl      gathered_page
    # r22 = the block.
    srdi    r22,r26,3
    ld      r4,FIRST(r27)
    clrrdi  r4,r4,7
    std     r4,32(r1)
    li      r23,0
1:  bl      gathered_page
    cmpdi   r27,0
    beq     2f
    srdi    r4,r26,3
    cmpd    r4,r22
    bne     2f
    li      r4,0x41
    sldi    r4,r4,56
    ld      r5,INDEX(r27)
    or      r4,r4,r5
    addi    r6,r1,40
    sldi    r7,r23,3
    stdx    r4,r6,r7
    addi    r25,r25,1
    addi    r23,r23,1
    cmpdi   r23,8
    blt     1b
    b       3f
2:  # The end mark.
    li      r4,3
    sldi    r4,r4,62
    addi    r6,r1,40
    sldi    r7,r23,3
    stdx    r4,r6,r7
3:  mr      r25,r24
    bl      gathered_page
    li      r3,0x328
    ld      r4,32(r1)
    ld      r5,40(r1)
    ld      r6,48(r1)
    ld      r7,56(r1)
    ld      r8,64(r1)
    ld      r9,72(r1)
    ld      r10,80(r1)
    ld      r11,88(r1)
    ld      r12,96(r1)
    bl      make_call
    std     r4,40(r1)
    std     r5,48(r1)
    std     r6,56(r1)
    std     r7,64(r1)
    std     r8,72(r1)
    std     r9,80(r1)
    std     r10,88(r1)
    std     r11,96(r1)
    # Not every machine has it.
    std     r3,104(r1)
    cmpdi   r3,H_FUNCTION
    beq     5f
    cmpdi   r3,H_PARTIAL
    beq     5f
    mr      r5,r3
    lis     r3,found_block@ha
    addi    r3,r3,found_block@l
    bl      expect_success
5:  add     r22,r24,r23
    li      r23,0
6:  bl      gathered_page
    ld      r3,104(r1)
    cmpdi   r3,H_FUNCTION
    beq     7f
    addi    r6,r1,40
    sldi    r7,r23,3
    ldx     r5,r6,r7
    # What is busy is asked for again; otherwise success and the index, but for R and C and the flag.
    srdi    r4,r5,56
    cmpdi   r4,0xa1
    beq     7f
    cmpdi   r4,0xa0
    beq     7f
    li      r4,7
    sldi    r4,r4,56
    andc    r4,r5,r4
    li      r7,0x80
    # A bolted one is not removed by this call, and answered as not found: H_REMOVE removes it.
    ld      r8,FIRST(r27)
    andi.   r8,r8,BOLTED
    beq     9f
    li      r7,0x88
9:  sldi    r7,r7,56
    ld      r6,INDEX(r27)
    or      r7,r7,r6
    cmpd    r4,r7
    mr      r4,r7
    lis     r3,found_block_answer@ha
    addi    r3,r3,found_block_answer@l
    ld      r6,ID(r27)
    bne     finding
    cmpdi   r8,0
    bne     7f
    srdi    r3,r5,50
    andi.   r3,r3,R+C
    bl      page_is_gone
    b       8f
7:  bl      remove_changing
8:  addi    r23,r23,1
    addi    r25,r25,1
    cmpd    r25,r22
    blt     6b
    mr      r24,r22
    addi    r1,r1,144
    ld      r0,16(r1)
    mtlr    r0
    blr

# A call that must be refused, and a page that stays as it was: others may be using it, and go on.
ask_wrongly:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      choose_page
    ld      r4,STATE(r27)
    andi.   r4,r4,3
    beq     1f
    srdi    r4,r28,56
    andi.   r4,r4,7
    sldi    r4,r4,3
    lis     r5,wrong_calls@ha
    addi    r5,r5,wrong_calls@l
    ldx     r5,r5,r4
    # Registers as most of them are: flags for the AVPN, the page's index, and another AVPN than its own.
    li      r4,1
    sldi    r4,r4,31
    ld      r6,FIRST(r27)
    clrrdi  r6,r6,7
    xori    r6,r6,0x80
    mtctr   r5
    ld      r5,INDEX(r27)
    bctrl
    # r24 = the status that it must have.
    bl      make_call
    mr      r5,r3
    mr      r4,r24
    lis     r3,found_wrong@ha
    addi    r3,r3,found_wrong@l
    bl      expect_status
    bl      read_page
1:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

    .balign 8
wrong_calls:
    .quad   wrong_remove,wrong_protect,wrong_enter,wrong_index,wrong_real,wrong_bulk,wrong_read,wrong_place

wrong_remove:
    li      r3,4
    li      r24,H_NOT_FOUND
    blr

wrong_protect:
    li      r3,0x18
    li      r24,H_NOT_FOUND
    blr

# Exactly where an entry is.
wrong_enter:
    li      r3,8
    li      r4,1
    sldi    r4,r4,39
    ld      r6,FIRST(r27)
    ld      r7,SECOND(r27)
    li      r24,H_PTEG_FULL
    blr

# Behind the table.
wrong_index:
    li      r3,4
    li      r4,0
    li      r5,1
    sldi    r5,r5,44
    li      r6,0
    li      r24,H_PARAMETER
    blr

# Memory that is not there.
wrong_real:
    li      r3,8
    li      r4,0
    ld      r6,FIRST(r27)
    ld      r7,SECOND(r27)
    li      r24,1
    sldi    r24,r24,50
    or      r7,r7,r24
    li      r24,H_PARAMETER
    blr

# H_BULK_REMOVE of an index behind the table.
wrong_bulk:
    li      r3,0x124
    li      r4,-1
    clrldi  r4,r4,8
    li      r5,1
    sldi    r5,r5,62
    or      r4,r4,r5
    li      r5,0
    li      r6,3
    sldi    r6,r6,62
    li      r7,0
    li      r8,0
    li      r9,0
    li      r10,0
    li      r11,0
    li      r24,H_PARAMETER
    blr

wrong_read:
    li      r3,0xc
    li      r4,0
    li      r5,-1
    li      r24,H_PARAMETER
    blr

# H_PROTECT behind the table.
wrong_place:
    li      r3,0x18
    li      r4,0
    li      r5,-1
    li      r24,H_PARAMETER
    blr
