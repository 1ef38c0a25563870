# What start-cpu refuses.

# A processor that runs cannot be started, and neither can one that does not exist.
wrong_starts:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r6,servers@ha
    ld      r6,servers@l(r6)
    bl      query
    mr      r5,r4
    lis     r3,text_running@ha
    addi    r3,r3,text_running@l
    li      r4,2
    bl      expect
    li      r6,0x1234
    bl      start_one
    mr      r5,r3
    lis     r3,text_nobody@ha
    addi    r3,r3,text_nobody@l
    li      r4,-3
    bl      expect
    lis     r6,servers@ha
    ld      r6,servers@l(r6)
    bl      start_one
    # Any error will do: the manual has several that fit.
    srdi    r5,r3,63
    lis     r3,text_twice@ha
    addi    r3,r3,text_twice@l
    li      r4,1
    bl      expect
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr
