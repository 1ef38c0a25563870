# Inter-processor interrupts: H_IPI, H_XIRR, H_EOI, H_CEDE.

# Each processor waits for an interrupt from the one before it, and then interrupts the one behind it: a message goes
# round, so that each gets as many as there are rounds.
pass_messages:
    mflr    r0
    std     r0,16(r1)
    std     r29,-8(r1)
    std     r28,-16(r1)
    stdu    r1,-80(r1)
    li      r3,0
    std     r3,COUNT(r13)
    li      r3,0x68
    li      r4,0xff
    sc      1
    bl      barrier
    li      r4,MESSAGES
    bl      share
    mr      r28,r4
    li      r29,0
    # The first begins.
    cmpdi   r30,0
    bne     1f
    bl      interrupt_next
1:  addi    r29,r29,1
    bl      wait_for_interrupt
    # The message ends where it began.
    cmpdi   r30,0
    bne     2f
    cmpd    r29,r28
    beq     3f
2:  bl      interrupt_next
    cmpd    r29,r28
    bne     1b
3:  bl      barrier
    mr      r4,r28
    ld      r5,COUNT(r13)
    cmpd    r4,r5
    beq     4f
    lis     r3,text_messages@ha
    addi    r3,r3,text_messages@l
    b       abandon
4:  addi    r1,r1,80
    ld      r29,-8(r1)
    ld      r28,-16(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr

# H_IPI with priority 5 to the processor behind this one.
interrupt_next:
    addi    r4,r30,1
    cmpd    r4,r31
    blt     1f
    li      r4,0
1:  sldi    r4,r4,3
    lis     r5,servers@ha
    addi    r5,r5,servers@l
    ldx     r4,r5,r4
    li      r5,5
    li      r3,0x6c
    sc      1
    cmpdi   r3,0
    beqlr
    mr      r5,r3
    li      r4,0
    lis     r3,text_ipi@ha
    addi    r3,r3,text_ipi@l
    b       abandon

# Sleeps in H_CEDE until r29 interrupts have come. They are enabled only in there, so that none comes between the look
# and the sleep.
wait_for_interrupt:
1:  ld      r4,COUNT(r13)
    cmpd    r4,r29
    bge     2f
    li      r3,0xe0
    sc      1
    mfmsr   r4
    ori     r4,r4,MSR_EE
    xori    r4,r4,MSR_EE
    mtmsrd  r4
    b       1b
2:  blr

# Accepts the interrupt, takes the request back, and ends it.
on_external:
    li      r3,0x74
    sc      1
    std     r4,XIRR(r13)
    # Nothing there: it was taken back meanwhile.
    clrldi. r5,r4,40
    beqlr
    lis     r5,0xff00
    ori     r5,r5,2
    clrldi  r5,r5,32
    cmpd    r4,r5
    bne     1f
    ld      r6,AREA_INDEX(r13)
    sldi    r6,r6,3
    lis     r7,servers@ha
    addi    r7,r7,servers@l
    ldx     r4,r7,r6
    li      r5,0xff
    li      r3,0x6c
    sc      1
    ld      r4,XIRR(r13)
    li      r3,0x64
    sc      1
    ld      r4,COUNT(r13)
    addi    r4,r4,1
    std     r4,COUNT(r13)
    blr
1:  mr      r5,r4
    lis     r4,0xff00
    ori     r4,r4,2
    clrldi  r4,r4,32
    lis     r3,text_xirr@ha
    addi    r3,r3,text_xirr@l
    b       abandon
