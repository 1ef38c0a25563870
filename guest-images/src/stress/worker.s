# Every processor's stream of operations, from the seed and its own number.
#
# Registers of a stream: r14 = where the next hypercall is noted, r15 and r16 = MSR with DR and as it was, r17 = number of the operation,
# r18 = hash of what was done, r28 = random number, r29 = this processor's block, r30 = its number, r31 = how many there are. An operation has
# r24 to r27 for itself: mostly r26 = index of a page of its own, r27 = its record. `touch` has r19 to r23.

# r3 = the command line has been read.
main:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r31,processor_count@ha
    ld      r31,processor_count@l(r31)
    li      r30,0
    bl      take_arguments
    bl      catch_faults
    bl      start_all
    bl      work
    bl      wait_until_stopped
    bl      report
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

work:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      begin_stream
    bl      make_pages
    bl      meet
    mftb    r4
    std     r4,BEGAN(r29)
next_operation:
    lis     r9,stopped@ha
    lwz     r4,stopped@l(r9)
    cmpwi   r4,0
    bne     park
    lis     r9,meeting@ha
    lwz     r4,meeting@l(r9)
    cmpwi   r4,0
    beq     1f
    bl      meet_for_resize
1:  lis     r9,is_over@ha
    lwz     r4,is_over@l(r9)
    cmpwi   r4,0
    bne     2f
    cmpdi   r30,0
    bne     3f
    bl      lead
    lis     r9,is_over@ha
    lwz     r4,is_over@l(r9)
    cmpwi   r4,0
    bne     2f
3:  addi    r17,r17,1
    std     r17,OPERATIONS(r29)
    bl      is_wanted
    beq     next_operation
    bl      begin_operation
    cmpdi   r30,0
    bne     4f
    bl      resize_by_chance
4:  clrldi  r4,r28,58
    lis     r5,weights@ha
    addi    r5,r5,weights@l
    lbzx    r4,r5,r4
    lis     r5,operations@ha
    addi    r5,r5,operations@l
    sldi    r4,r4,3
    ldx     r4,r5,r4
    mtctr   r4
    bctrl
    b       next_operation
2:  bl      end_stream
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# What the first processor does besides: it says how it goes, and ends the round.
lead:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r9,most_operations@ha
    ld      r4,most_operations@l(r9)
    cmpdi   r4,0
    beq     1f
    cmpd    r17,r4
    bge     over
1:  # The time is looked at now and then. It is not over before something has been done, however slow the machine is.
    andi.   r4,r17,15
    bne     3f
    ld      r4,BEGAN(r29)
    mftb    r5
    subf    r5,r4,r5
    lis     r9,most_ticks@ha
    ld      r4,most_ticks@l(r9)
    cmpdi   r4,0
    beq     2f
    cmpdi   r17,LEAST_OPERATIONS
    blt     2f
    cmpld   r5,r4
    bge     over
2:  lis     r9,next_progress@ha
    ld      r4,next_progress@l(r9)
    cmpld   r5,r4
    blt     3f
    lis     r6,timebase_hz@ha
    ld      r6,timebase_hz@l(r6)
    add     r4,r4,r6
    std     r4,next_progress@l(r9)
    bl      say_progress
3:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr
over:
    li      r4,1
    lis     r9,is_over@ha
    sync
    stw     r4,is_over@l(r9)
    b       3b

# Resizes the table, if it is to be resized, before one operation of the first processor's in 4096.
resize_by_chance:
    lis     r9,resizes@ha
    ld      r4,resizes@l(r9)
    cmpdi   r4,0
    beqlr
    srdi    r4,r28,20
    andi.   r4,r4,0xfff
    bnelr
    b       resize

# cr0 is eq if operation r17 is one that this processor leaves out: where a part is wanted, all others.
is_wanted:
    li      r5,PART_BYTES
    cmpdi   r5,0
    beq     1f
    srdi    r4,r17,3
    cmpd    r4,r5
    bge     2f
    mulld   r5,r5,r30
    add     r4,r4,r5
    lis     r9,part@ha
    addi    r9,r9,part@l
    lbzx    r4,r9,r4
    clrldi  r5,r17,61
    srd     r4,r4,r5
    andi.   r4,r4,1
    blr
1:  cmpdi   r17,0
    blr
2:  cmpd    r5,r5
    blr

# r28 = a random number that is a function of the seed, the processor, and the number of the operation: what was done before, or left out,
# changes nothing. The finalizer of SplitMix64; changes r4 and r9.
begin_operation:
    lis     r9,constants@ha
    addi    r9,r9,constants@l
    ld      r28,0(r9)
    mulld   r28,r28,r17
    ld      r4,STREAM(r29)
    add     r28,r28,r4
    srdi    r4,r28,30
    xor     r28,r28,r4
    ld      r4,16(r9)
    mulld   r28,r28,r4
    srdi    r4,r28,27
    xor     r28,r28,r4
    ld      r4,24(r9)
    mulld   r28,r28,r4
    srdi    r4,r28,31
    xor     r28,r28,r4
    # The numbers that follow would all be zero.
    cmpdi   r28,0
    bne     1f
    li      r28,1
1:  blr

begin_stream:
    mflr    r0
    sldi    r29,r30,BLOCK_SHIFT
    addis   r29,r29,BLOCKS>>16
    addi    r14,r29,RING
    std     r14,RING_NEXT(r29)
    mfmsr   r16
    ori     r15,r16,0x10
    li      r17,0
    li      r18,0
    # Each processor has another stream of each seed: two odd constants, of the golden ratio and of pi.
    lis     r9,constants@ha
    addi    r9,r9,constants@l
    ld      r4,0(r9)
    ld      r5,8(r9)
    lis     r9,seed@ha
    ld      r28,seed@l(r9)
    addi    r28,r28,1
    mulld   r28,r28,r4
    addi    r4,r30,1
    mulld   r4,r4,r5
    xor     r28,r28,r4
    cmpdi   r28,0
    bne     1f
    li      r28,1
1:  li      r4,16
    mtctr   r4
2:  bl      next_random
    bdnz    2b
    std     r28,STREAM(r29)
    mtlr    r0
    blr

# The next of Marsaglia's xorshift numbers (13, 7, 17) in r28; changes only r4.
next_random:
    sldi    r4,r28,13
    xor     r28,r28,r4
    srdi    r4,r28,7
    xor     r28,r28,r4
    sldi    r4,r28,17
    xor     r28,r28,r4
    blr

# Makes the records of the pages, their segments, and the memory behind them: frames that are closed, and walls.
# r26 = index, r27 = record, r25 = frame, r24 = bytes of a page.
make_pages:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r9,base_shift@ha
    ld      r8,base_shift@l(r9)
    li      r24,1
    sld     r24,r24,r8
    li      r26,0
1:  bl      record_of
    # The page's number in its segment: its low bits choose the group, and the others are above those that do.
    lis     r9,crowd@ha
    ld      r5,crowd@l(r9)
    srd     r6,r26,r5
    sld     r7,r6,r5
    subf    r7,r7,r26
    lis     r9,crowd_shift@ha
    ld      r5,crowd_shift@l(r9)
    sld     r6,r6,r5
    or      r7,r7,r6
    std     r7,NUMBER(r27)
    lis     r9,base_shift@ha
    ld      r8,base_shift@l(r9)
    sld     r7,r7,r8
    # Doubleword 0: VSID and the offset from bit 23 on.
    lis     r9,segment_shift@ha
    ld      r4,segment_shift@l(r9)
    addi    r5,r4,-16
    addi    r6,r30,FIRST_VSID
    sld     r6,r6,r5
    srdi    r5,r7,23
    sldi    r5,r5,7
    or      r6,r6,r5
    lis     r9,in_first@ha
    ld      r5,in_first@l(r9)
    or      r6,r6,r5
    std     r6,BASE_V(r27)
    li      r6,EFFECTIVE>>32
    sldi    r6,r6,32
    sld     r5,r30,r4
    add     r6,r6,r5
    add     r6,r6,r7
    std     r6,ADDRESS(r27)
    sldi    r6,r30,8
    or      r6,r6,r26
    std     r6,ID(r27)
    # Of four pages of memory the first and the third are frames.
    addi    r5,r8,2
    sld     r25,r6,r5
    addis   r25,r25,FRAMES>>16
    std     r25,FRAME(r27)
    li      r4,0
    std     r4,STATE(r27)
    std     r4,FLAGS(r27)
    li      r4,-1
    std     r4,SEEN(r27)
    bl      close_frame
    add     r3,r25,r24
    bl      build_wall
    sldi    r4,r24,1
    add     r25,r25,r4
    std     r25,FRAME(r27)
    bl      close_frame
    add     r3,r25,r24
    bl      build_wall
    addi    r26,r26,1
    cmpdi   r26,PAGES
    blt     1b
    # A segment for each processor's pages.
    li      r7,0
2:  lis     r9,segment_shift@ha
    ld      r8,segment_shift@l(r9)
    lis     r9,in_segment@ha
    ld      r3,in_segment@l(r9)
    addi    r6,r8,-16
    addi    r5,r7,FIRST_VSID
    sld     r5,r5,r6
    or      r3,r3,r5
    li      r4,EFFECTIVE>>32
    sldi    r4,r4,32
    sld     r5,r7,r8
    add     r4,r4,r5
    oris    r4,r4,0x800
    add     r4,r4,r7
    addi    r4,r4,1
    slbmte  r3,r4
    addi    r7,r7,1
    cmpd    r7,r31
    blt     2b
    isync
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The page r26: its record in r27.
record_of:
    sldi    r27,r26,RECORD_SHIFT
    add     r27,r27,r29
    addis   r27,r27,RECORDS@ha
    addi    r27,r27,RECORDS@l
    blr

# A page of this processor's by chance in r26 and r27: one time in two it is one of eight that all like best.
choose_page:
    mflr    r0
    bl      next_random
    mtlr    r0
    srdi    r26,r28,16
    clrldi  r26,r26,56
    srdi    r4,r28,32
    andi.   r4,r4,1
    beq     record_of
    andi.   r26,r26,7
    b       record_of

# Says in the page's state that a change begins; the last one in which it could be judged is LAST.
begin_change:
    ld      r4,STATE(r27)
    std     r4,LAST(r27)
    li      r3,CHANGING
# Gives the page the state r3.
publish:
    ld      r4,STATE(r27)
    clrrdi  r4,r4,2
    addi    r4,r4,4
    or      r4,r4,r3
    sync
    std     r4,STATE(r27)
    sync
    blr

# Gives it the state that fits its rights, PP in doubleword 1: 2 to read and write, 3 to read.
publish_rights:
    ld      r4,SECOND(r27)
    clrldi  r4,r4,62
    li      r3,READ_WRITE
    cmpdi   r4,2
    beq     publish
    li      r3,READ_ONLY
    b       publish

# The frame of the record r27 says that nobody maps it.
close_frame:
    mflr    r10
    ld      r5,FRAME(r27)
    ld      r6,ID(r27)
    li      r4,-1
    sldi    r4,r4,16
    or      r4,r4,r6
    std     r4,TAG_AT(r5)
    bl      write_code
    li      r4,CLOSED
    std     r4,MARK_AT(r5)
    sync
    mtlr    r10
    blr

# The frame r5 of the record r27 gets code that loads the lower half of r4 into r23 and traps, if the page is one of those that have code: one in
# eight, among them one of those that all like best. Changes r6 to r9.
write_code:
    ld      r6,ID(r27)
    clrldi  r6,r6,61
    cmpdi   r6,CODE_PAGE
    bnelr
    # lis r23,…; ori r23,r23,…; trap
    lis     r6,0x3ee0
    srdi    r7,r4,16
    clrldi  r7,r7,48
    or      r6,r6,r7
    lis     r8,0x62f7
    clrldi  r7,r4,48
    or      r8,r8,r7
    lis     r9,0x7fe0
    ori     r9,r9,8
    addi    r7,r5,CODE_AT
    stw     r6,0(r7)
    stw     r8,4(r7)
    stw     r9,8(r7)
    dcbst   0,r7
    sync
    icbi    0,r7
    sync
    isync
    blr

# The memory at r3 that nobody may ever change.
build_wall:
    not     r4,r3
    std     r4,0(r3)
    std     r4,8(r3)
    std     r4,16(r3)
    std     r4,24(r3)
    blr

# Looks at it.
inspect_wall:
    not     r4,r3
    li      r8,4
    mtctr   r8
    mr      r7,r3
1:  ld      r5,0(r7)
    cmpd    r4,r5
    bne     2f
    addi    r7,r7,8
    bdnz    1b
    blr
2:  lis     r3,found_wall@ha
    addi    r3,r3,found_wall@l
    ld      r6,ID(r27)
    b       finding

# All processors. One that waits here counts as parked: it is not waited for by whoever has found something, and will not come.
meet:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r4,1
    bl      count_parked
    bl      barrier
    li      r4,-1
    bl      count_parked
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# When all have ended, each removes its pages and looks at their memory.
end_stream:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    mftb    r4
    ld      r5,BEGAN(r29)
    subf    r4,r5,r4
    std     r4,TICKS(r29)
    std     r18,HASH(r29)
    bl      meet
    li      r26,0
1:  bl      record_of
    ld      r4,STATE(r27)
    andi.   r4,r4,3
    beq     2f
    bl      remove_page
2:  bl      inspect_frame
    lis     r9,base_shift@ha
    ld      r4,base_shift@l(r9)
    li      r24,1
    sld     r24,r24,r4
    ld      r25,FRAME(r27)
    add     r3,r25,r24
    bl      inspect_wall
    bl      other_frame
    bl      inspect_frame
    ld      r25,FRAME(r27)
    add     r3,r25,r24
    bl      inspect_wall
    addi    r26,r26,1
    cmpdi   r26,PAGES
    blt     1b
    bl      meet
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# FRAME of the record r27 becomes the page's other frame.
other_frame:
    lis     r9,base_shift@ha
    ld      r4,base_shift@l(r9)
    li      r5,2
    sld     r5,r5,r4
    ld      r4,FRAME(r27)
    xor     r4,r4,r5
    std     r4,FRAME(r27)
    blr

# The frame of the record r27 is closed, and nobody has stored there since.
inspect_frame:
    ld      r7,FRAME(r27)
    ld      r6,ID(r27)
    li      r4,-1
    sldi    r4,r4,16
    or      r4,r4,r6
    ld      r5,TAG_AT(r7)
    lis     r3,found_tag_changed@ha
    addi    r3,r3,found_tag_changed@l
    cmpd    r4,r5
    bne     finding
    li      r4,CLOSED
    ld      r5,MARK_AT(r7)
    lis     r3,found_store_after@ha
    addi    r3,r3,found_store_after@l
    cmpd    r4,r5
    bne     finding
    blr

# A hypercall, r3 with its arguments in r4 to r12, is noted, made and counted. Only one that polls is not in the hash.
make_call:
    std     r3,CALL_NUMBER(r14)
    std     r4,8(r14)
    std     r5,16(r14)
    std     r6,24(r14)
    std     r7,32(r14)
    std     r8,40(r14)
    std     r9,48(r14)
    std     r10,56(r14)
    std     r11,64(r14)
    std     r12,72(r14)
    li      r0,NOT_YET
    std     r0,CALL_STATUS(r14)
    std     r17,CALL_OPERATION(r14)
    mftb    r0
    std     r0,CALL_BEGAN(r29)
    sc      1
    std     r3,CALL_STATUS(r14)
    std     r4,88(r14)
    std     r5,96(r14)
    std     r6,104(r14)
    std     r7,112(r14)
    mftb    r0
    std     r10,-8(r1)
    std     r9,-16(r1)
    ld      r9,CALL_BEGAN(r29)
    subf    r0,r9,r0
    ld      r9,CALL_TICKS(r29)
    add     r9,r9,r0
    std     r9,CALL_TICKS(r29)
    ld      r10,CALL_NUMBER(r14)
    cmpdi   r10,0x36c
    beq     1f
    # What was asked of which page, and what was said.
    rotldi  r18,r18,7
    xor     r18,r18,r10
    rotldi  r18,r18,7
    xor     r18,r18,r3
    rotldi  r18,r18,7
    xor     r18,r18,r4
    rotldi  r18,r18,7
    xor     r18,r18,r26
1:  # Counters: of 4 to 0x18 in their order, then of the others.
    srdi    r9,r10,2
    cmpdi   r10,0x18
    ble     2f
    li      r9,7
    cmpdi   r10,0x124
    beq     2f
    li      r9,8
    cmpdi   r10,0x328
    beq     2f
    li      r9,9
    cmpdi   r10,0x36c
    beq     2f
    li      r9,10
2:  sldi    r9,r9,3
    addi    r9,r9,CALLS
    ldx     r10,r29,r9
    addi    r10,r10,1
    stdx    r10,r29,r9
    ld      r9,-16(r1)
    ld      r10,-8(r1)
    addi    r14,r14,CALL_BYTES
    andi.   r0,r14,RING_BYTES-1
    bne     3f
    addi    r14,r14,-RING_BYTES
3:  std     r14,RING_NEXT(r29)
    blr
