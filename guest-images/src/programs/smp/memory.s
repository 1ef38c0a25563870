# What processors do together in memory: reservations, a lock, barriers.

# One processor's share of r4 rounds: r4.
share:
    divdu   r4,r4,r31
    blr

# What every processor does.
work:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      add_to_sums
    bl      take_turns
    bl      meet
    bl      pass_messages
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Adds to a word and a doubleword with load-and-reserve and store-conditional.
add_to_sums:
    mflr    r0
    lis     r4,ADDITIONS>>16
    bl      share
    mtctr   r4
    mtlr    r0
    lis     r9,sum_word@ha
    addi    r9,r9,sum_word@l
    lis     r10,sum_doubleword@ha
    addi    r10,r10,sum_doubleword@l
    # Carries out of the lower word.
    lis     r5,0x4000
1:  lwarx   r4,0,r9
    addi    r4,r4,1
    stwcx.  r4,0,r9
    bne     1b
2:  ldarx   r4,0,r10
    add     r4,r4,r5
    stdcx.  r4,0,r10
    bne     2b
    bdnz    1b
    blr

# Changes two plain numbers, which are always equal, with a lock.
take_turns:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r4,TURNS
    bl      share
    mtctr   r4
    lis     r9,turn_lock@ha
    addi    r9,r9,turn_lock@l
    lis     r10,turns@ha
    addi    r10,r10,turns@l
1:  lwarx   r4,0,r9
    cmpwi   r4,0
    bnel    pause
    bne     1b
    li      r4,1
    stwcx.  r4,0,r9
    bne     1b
    isync
    ld      r4,0(r10)
    ld      r5,128(r10)
    cmpd    r4,r5
    bne     2f
    addi    r4,r4,1
    std     r4,0(r10)
    addi    r5,r5,1
    std     r5,128(r10)
    lwsync
    li      r4,0
    stw     r4,0(r9)
    bdnz    1b
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr
2:  lis     r3,text_turns_differ@ha
    addi    r3,r3,text_turns_differ@l
    b       abandon

# Meets the others at barriers: behind each, everybody has come as far.
meet:
    mflr    r0
    std     r0,16(r1)
    std     r29,-8(r1)
    stdu    r1,-80(r1)
    li      r4,ROUNDS
    bl      share
    mr      r29,r4
1:  ld      r3,ROUND(r13)
    addi    r3,r3,1
    std     r3,ROUND(r13)
    bl      barrier
    # The rounds of all others, in their areas.
    lis     r6,AREAS@ha
    addi    r6,r6,AREAS@l
    ld      r4,ROUND(r13)
    mtctr   r31
2:  ld      r5,ROUND(r6)
    cmpd    r4,r5
    bne     3f
    addi    r6,r6,0x2000
    bdnz    2b
    # Nobody goes on before all have looked.
    bl      barrier
    addi    r29,r29,-1
    cmpdi   r29,0
    bne     1b
    addi    r1,r1,80
    ld      r29,-8(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr
3:  lis     r3,text_round@ha
    addi    r3,r3,text_round@l
    b       abandon
