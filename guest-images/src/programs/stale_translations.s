# Entries of the page table come and go while other processors touch the page. When a hypercall that takes a translation away has
# returned, nobody may use it any more; what was done before must be in R and C; and nothing else of an entry may change.
#
# The first processor enters the same page again and again into the same slot, by turns for either of two places in memory,
# and removes it after a while. The doublewords 1 of the two differ in every byte that has R or C. Each place says whose turn
# it is in its first doubleword (generation, or GONE), and in its second whether somebody has stored there. The others load
# and store all the time (`touch_page`), and their page faults count as tries of theirs.
#
# From the command line: tries=N; delay=TICKS, the most between H_ENTER and what follows; plant=KIND to see that it notices:
# 1, some pages are not removed; 2, R and C of some are dropped; 3, some entries are changed; 4, a page stays when all is over.
#
# QEMU 10.0.2 (-M pseries) passes.

.equ PLACE_0,0x2005000
.equ PLACE_1,0x200a000
# Coherent; read and written by all. In the second no execution either.
.equ ENTRY_0,PLACE_0+0x12
.equ ENTRY_1,PLACE_1+0x15
.equ R,0x100
.equ C,0x80

# First doubleword of a place when its entry is gone; the second when it is gone, and when it is there and nobody has
# stored yet.
.equ GONE,-1
.equ CLOSED,-2
.equ UNTOUCHED,-3

# What was found, by the address in r22.
.equ STALE,0
.equ LOST_R,8
.equ LOST_C,16
.equ CORRUPTED,24
.equ TOUCHED_TRIES,32
.equ STORED_TRIES,40
.equ PROTECTED_TRIES,48

# r31 = number of processors, r29 = tries left, r28 = generation, r27 = random number, r26 = longest delay, r25 = place,
# r24 = doubleword 1 as it must be, r23 = sum of stale loads until now, r22 = counters, r21 and r20 = doublewords 1 and 0 as
# they were returned, r19 = whether somebody has stored, r18 = kind of planted fault, r17 = whether this try has it,
# r16 = whether the page was made read-only, r15 = whether this try has seen something stale.
main:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r31,processor_count@ha
    ld      r31,processor_count@l(r31)
    bl      need_two_processors
    bl      take_arguments
    lis     r4,to_touch_fault@ha
    lwz     r4,to_touch_fault@l(r4)
    li      r5,0x300
    stw     r4,0(r5)
    dcbst   0,r5
    sync
    icbi    0,r5
    sync
    isync
    lis     r25,PLACE_0@ha
    addi    r25,r25,PLACE_0@l
    bl      close_place
    lis     r25,PLACE_1@ha
    addi    r25,r25,PLACE_1@l
    bl      close_place
    bl      map_program
    bl      start_all
    lis     r22,counters@ha
    addi    r22,r22,counters@l
    li      r23,0
    li      r28,1
    mftb    r27
    ori     r27,r27,1
    cmpdi   r29,0
    beq     3f
2:  bl      try
    addi    r28,r28,1
    addi    r29,r29,-1
    cmpdi   r29,0
    bne     2b
3:  cmpdi   r18,4
    bne     4f
    bl      choose_place
    bl      enter
    # Whoever is in a page fault now, would see that it is over and never come to the page.
    bl      wait_for_touches
4:  li      r4,1
    lis     r5,is_over@ha
    stw     r4,is_over@l(r5)
    sync
    bl      wait_until_stopped
    bl      judge_end
    bl      report
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

take_arguments:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r3,text_tries@ha
    addi    r3,r3,text_tries@l
    li      r4,2000
    bl      argument
    mr      r29,r3
    lis     r4,tries@ha
    std     r3,tries@l(r4)
    lis     r3,text_delay@ha
    addi    r3,r3,text_delay@l
    li      r4,0x4000
    bl      argument
    mr      r26,r3
    lis     r3,text_plant@ha
    addi    r3,r3,text_plant@l
    li      r4,0
    bl      argument
    mr      r18,r3
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# One page from H_ENTER to H_REMOVE, and what came of it.
try:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r15,0
    li      r16,0
    bl      next_random
    bl      choose_place
    bl      enter
    # In half of the tries all have touched it before it goes; in the others it goes when they may just be looking for it.
    srdi    r4,r27,24
    andi.   r4,r4,1
    beq     1f
    bl      wait_for_touches
    b       2f
1:  bl      delay
2:  # Every fourth is read-only before it is gone.
    srdi    r4,r27,8
    andi.   r4,r4,3
    bne     3f
    bl      make_read_only
3:  bl      take_away
    bl      judge_entry
    # In half of the tries the next comes at once: what walks still, meets another entry in the slot.
    cmpdi   r17,0
    bne     4f
    srdi    r4,r27,16
    andi.   r4,r4,1
    beq     5f
4:  bl      wait_for_touches
5:  bl      judge_touches
    # What was left out.
    cmpdi   r17,1
    bne     6f
    li      r3,4
    bl      call_for_entry
6:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The next of Marsaglia's xorshift numbers (13, 7, 17) in r27, and whether this try has the planted fault: one in 16.
next_random:
    sldi    r4,r27,13
    xor     r27,r27,r4
    srdi    r4,r27,7
    xor     r27,r27,r4
    sldi    r4,r27,17
    xor     r27,r27,r4
    li      r17,0
    srdi    r4,r27,32
    andi.   r4,r4,15
    bnelr
    mr      r17,r18
    blr

# The place by turns. Nobody has stored there since it was closed.
choose_place:
    lis     r25,PLACE_0@ha
    addi    r25,r25,PLACE_0@l
    lis     r24,ENTRY_0@ha
    addi    r24,r24,ENTRY_0@l
    andi.   r4,r28,1
    beq     1f
    lis     r25,PLACE_1@ha
    addi    r25,r25,PLACE_1@l
    lis     r24,ENTRY_1@ha
    addi    r24,r24,ENTRY_1@l
1:  ld      r4,8(r25)
    cmpdi   r4,CLOSED
    beq     2f
    li      r15,1
2:  std     r28,0(r25)
    li      r4,UNTOUCHED
    std     r4,8(r25)
    sync
    blr

close_place:
    li      r4,GONE
    std     r4,0(r25)
    li      r4,CLOSED
    std     r4,8(r25)
    sync
    blr

# H_ENTER, exactly into the slot.
enter:
    li      r3,8
    li      r4,1
    sldi    r4,r4,39
    li      r5,SLOT
    lis     r6,TOUCHED_V>>16
    ori     r6,r6,TOUCHED_V&0xffff
    mr      r7,r24
    sc      1
    cmpdi   r3,0
    bne     refused
    blr

# Some ticks, up to r26.
delay:
    mftb    r4
    addi    r5,r26,1
    srdi    r6,r27,20
    divdu   r7,r6,r5
    mulld   r7,r7,r5
    subf    r6,r7,r6
1:  mftb    r7
    subf    r7,r4,r7
    cmpld   r7,r6
    blt     1b
    blr

# H_REMOVE or H_READ (r3) of the entry without a condition: r20 and r21.
call_for_entry:
    li      r4,0
    li      r5,SLOT
    li      r6,0
    sc      1
    cmpdi   r3,0
    bne     refused
    mr      r20,r4
    mr      r21,r5
    blr

# H_PROTECT; then nobody stores any more.
make_read_only:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r16,1
    li      r3,0x18
    li      r4,3
    li      r5,SLOT
    li      r6,0
    sc      1
    cmpdi   r3,0
    bne     refused
    # PP is 3, N is 0.
    clrrdi  r24,r24,3
    ori     r24,r24,3
    bl      look_for_store
    bl      wait_for_touches
    ld      r4,8(r25)
    cmpdi   r4,CLOSED
    beq     1f
    li      r15,1
1:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# r19 = whether somebody has stored; from now on nobody does.
look_for_store:
    li      r19,0
    ld      r4,8(r25)
    cmpdi   r4,UNTOUCHED
    beq     1f
    li      r19,1
1:  li      r4,CLOSED
    std     r4,8(r25)
    sync
    blr

# H_REMOVE, and the place is gone.
take_away:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r3,4
    cmpdi   r17,1
    bne     1f
    li      r3,0x0c
1:  bl      call_for_entry
    cmpdi   r16,0
    bne     2f
    bl      look_for_store
2:  # A second time after make_read_only: a store in between is seen there.
    ld      r4,8(r25)
    cmpdi   r4,CLOSED
    beq     3f
    li      r15,1
3:  bl      close_place
    cmpdi   r17,2
    bne     4f
    li      r4,R+C
    andc    r21,r21,r4
4:  cmpdi   r17,3
    bne     5f
    xori    r21,r21,0x2000
5:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# What the call returned, but for R.
judge_entry:
    xor     r4,r21,r24
    li      r5,R+C
    andc    r4,r4,r5
    # Two bits of doubleword 0 are the hypervisor's.
    lis     r6,TOUCHED_V>>16
    ori     r6,r6,TOUCHED_V&0xffff
    xor     r6,r6,r20
    li      r5,0x60
    andc    r6,r6,r5
    or.     r4,r4,r6
    beq     1f
    ld      r4,CORRUPTED(r22)
    addi    r4,r4,1
    std     r4,CORRUPTED(r22)
1:  ld      r4,PROTECTED_TRIES(r22)
    add     r4,r4,r16
    std     r4,PROTECTED_TRIES(r22)
    ld      r4,STORED_TRIES(r22)
    add     r4,r4,r19
    std     r4,STORED_TRIES(r22)
    cmpdi   r19,0
    beqlr
    andi.   r4,r21,C
    bnelr
    ld      r4,LOST_C(r22)
    addi    r4,r4,1
    std     r4,LOST_C(r22)
    blr

# What the others have done until now.
judge_touches:
    lis     r9,boards@ha
    addi    r9,r9,boards@l
    li      r5,0
    li      r6,0
    addi    r4,r31,-1
    mtctr   r4
    # r5 = their stale loads, r6 = whether somebody has loaded this generation.
1:  ld      r4,BOARD_STALE(r9)
    add     r5,r5,r4
    ld      r4,BOARD_SEEN(r9)
    cmpd    r4,r28
    bne     2f
    li      r6,1
2:  addi    r9,r9,BOARD_BYTES
    bdnz    1b
    cmpd    r5,r23
    mr      r23,r5
    bne     3f
    # A store through what is gone.
    ld      r4,8(r25)
    cmpdi   r4,CLOSED
    bne     3f
    cmpdi   r15,0
    beq     4f
3:  ld      r4,STALE(r22)
    addi    r4,r4,1
    std     r4,STALE(r22)
4:  # A place is reported once.
    li      r4,CLOSED
    std     r4,8(r25)
    ld      r4,TOUCHED_TRIES(r22)
    add     r4,r4,r6
    std     r4,TOUCHED_TRIES(r22)
    # H_PROTECT clears R.
    cmpdi   r16,0
    bnelr
    cmpdi   r6,0
    beqlr
    andi.   r4,r21,R
    bnelr
    ld      r4,LOST_R(r22)
    addi    r4,r4,1
    std     r4,LOST_R(r22)
    blr

# Whether somebody could still load from the page when all tries were over.
judge_end:
    lis     r9,boards@ha
    addi    r9,r9,boards@l
    li      r5,0
    addi    r4,r31,-1
    mtctr   r4
1:  ld      r4,BOARD_STALE(r9)
    add     r5,r5,r4
    addi    r9,r9,BOARD_BYTES
    bdnz    1b
    cmpd    r5,r23
    beqlr
    ld      r4,STALE(r22)
    addi    r4,r4,1
    std     r4,STALE(r22)
    blr

# Waits until each of the others has begun and ended a try of its own.
wait_for_touches:
    lis     r9,boards@ha
    addi    r9,r9,boards@l
    li      r10,1
1:  ld      r5,BOARD_ATTEMPTS(r9)
    # The one that it is in may have begun before.
    addi    r5,r5,2
    li      r6,0
2:  ld      r4,BOARD_ATTEMPTS(r9)
    cmpd    r4,r5
    bge     3f
    addi    r6,r6,1
    andi.   r4,r6,0xfff
    bne     2b
    # It may need this one's host: H_CONFER to all.
    std     r5,-8(r1)
    std     r9,-16(r1)
    std     r10,-24(r1)
    li      r3,0xe4
    li      r4,-1
    li      r5,0
    sc      1
    ld      r10,-24(r1)
    ld      r9,-16(r1)
    ld      r5,-8(r1)
    li      r6,0
    b       2b
3:  addi    r9,r9,BOARD_BYTES
    addi    r10,r10,1
    cmpd    r10,r31
    blt     1b
    lwsync
    blr

    .balign 8
tries:
    .quad   0
counters:
    .space  56
text_tries:
    .asciz  "tries="
text_delay:
    .asciz  "delay="
text_plant:
    .asciz  "plant="
    .balign 4
