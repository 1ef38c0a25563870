# Decrementer interrupts: each comes no earlier than it should, once for each time that the decrementer passes zero, and
# leaves the registers as the architecture says (Power ISA v2.07B, Book III-S, 6.5.11 and 7.3).

.equ ROUNDS,300
.equ MSR_EE,0x8000
.equ MSR_ME,0x1000
# What an interrupt must clear, and SRR1 must keep: FP and RI, VEC and VSX (in the upper half).
.equ MSR_LOW,0x2002
.equ MSR_HIGH,0x0280

# In the processor's area: interrupts so far, the time base when the last came, what the handler sets the decrementer
# to, and, for `interrupts_in_a_row`, how many interrupts may pass before it does.
.equ COUNT,AREA_OWN
.equ CAME,AREA_OWN+8
.equ NEXT,AREA_OWN+16
.equ LET_PASS,AREA_OWN+24

# r31 = the MSR with interrupts enabled, r30 = rounds left, r29 = the time before which none may come, r28 = when the
# last came.
main:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r3,0x900
    lis     r4,on_decrementer@ha
    addi    r4,r4,on_decrementer@l
    bl      set_handler
    li      r3,0
    std     r3,COUNT(r13)
    std     r3,LET_PASS(r13)
    lis     r3,0x7fff
    std     r3,NEXT(r13)
    mtdec   r3
    mfmsr   r31
    ori     r31,r31,MSR_LOW
    oris    r31,r31,MSR_HIGH
    mtmsrd  r31
    isync
    ori     r31,r31,MSR_EE

    bl      one_by_one
    bl      kept_back
    bl      taken_back
    bl      interrupts_in_a_row
    bl      asleep

    lis     r3,text_count@ha
    addi    r3,r3,text_count@l
    li      r4,ROUNDS+1+3+ROUNDS
    ld      r5,COUNT(r13)
    bl      expect
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Counts, notes the time, and sets the decrementer, unless some more are to come at once.
on_decrementer:
    ld      r4,COUNT(r13)
    addi    r4,r4,1
    std     r4,COUNT(r13)
    mftb    r4
    std     r4,CAME(r13)
    ld      r4,LET_PASS(r13)
    cmpdi   r4,0
    bne     1f
    ld      r4,NEXT(r13)
    mtdec   r4
    blr
1:  addi    r4,r4,-1
    std     r4,LET_PASS(r13)
    blr

# Interrupts after different times, each waited for in a loop.
one_by_one:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r30,ROUNDS
    mftb    r28
1:  ld      r27,COUNT(r13)
    # 100 to 30,000 ticks.
    mulli   r4,r30,100
    mftb    r29
    add     r29,r29,r4
    mtdec   r4
    mtmsrd  r31
waiting:
    ld      r4,COUNT(r13)
    cmpd    r4,r27
    beq     waiting
waited:
    xori    r4,r31,MSR_EE
    mtmsrd  r4
    bl      check_interrupt
    # SRR0 is in the loop, or behind the instruction that let the interrupt come.
    ld      r5,AREA_SRR0(r13)
    lis     r4,waiting@ha
    addi    r4,r4,waiting@l
    subf    r5,r4,r5
    cmpldi  r5,waited-waiting
    li      r5,0
    ble     2f
    ld      r5,AREA_SRR0(r13)
2:  lis     r3,text_srr0_outside@ha
    addi    r3,r3,text_srr0_outside@l
    li      r4,0
    bl      expect
    addi    r4,r27,1
    ld      r5,COUNT(r13)
    lis     r3,text_count@ha
    addi    r3,r3,text_count@l
    bl      expect
    addi    r30,r30,-1
    cmpdi   r30,0
    bne     1b
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# What the last interrupt left: r29 = the time before which it may not come, r28 = when the one before came.
check_interrupt:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    ld      r5,CAME(r13)
    subf    r5,r29,r5
    srdi    r5,r5,63
    li      r4,0
    lis     r3,text_early@ha
    addi    r3,r3,text_early@l
    bl      expect
    ld      r6,CAME(r13)
    subf    r5,r28,r6
    mr      r28,r6
    srdi    r5,r5,63
    li      r4,0
    lis     r3,text_order@ha
    addi    r3,r3,text_order@l
    bl      expect
    lis     r3,text_srr1_decrementer@ha
    addi    r3,r3,text_srr1_decrementer@l
    mr      r4,r31
    ld      r5,AREA_SRR1(r13)
    bl      expect
    # The handler: only SF, ME and LE stay.
    lis     r3,text_handler_msr@ha
    addi    r3,r3,text_handler_msr@l
    xori    r4,r31,MSR_EE+MSR_LOW
    xoris   r4,r4,MSR_HIGH
    ld      r5,AREA_HANDLER_MSR(r13)
    lis     r6,is_exact@ha
    ld      r6,is_exact@l(r6)
    cmpdi   r6,0
    bne     1f
    ori     r4,r4,MSR_ME
    ori     r5,r5,MSR_ME
1:  bl      expect
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# While they are disabled none comes, and then the one that waited.
kept_back:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    ld      r27,COUNT(r13)
    li      r4,50
    mftb    r29
    add     r29,r29,r4
    mtdec   r4
1:  mfdec   r4
    extsw.  r4,r4
    bge     1b
    mr      r4,r27
    ld      r5,COUNT(r13)
    lis     r3,text_disabled@ha
    addi    r3,r3,text_disabled@l
    bl      expect
    mtmsrd  r31
2:  ld      r4,COUNT(r13)
    cmpd    r4,r27
    beq     2b
    xori    r4,r31,MSR_EE
    mtmsrd  r4
    bl      check_interrupt
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# One that waits is gone when the decrementer is positive again.
taken_back:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    ld      r27,COUNT(r13)
    li      r4,1
    mtdec   r4
2:  mfdec   r4
    extsw.  r4,r4
    bge     2b
    lis     r4,0x7fff
    mtdec   r4
    mtmsrd  r31
    li      r4,1000
    mtctr   r4
1:  bdnz    1b
    xori    r4,r31,MSR_EE
    mtmsrd  r4
    mr      r4,r27
    ld      r5,COUNT(r13)
    lis     r3,text_taken_back@ha
    addi    r3,r3,text_taken_back@l
    bl      expect
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# As long as the decrementer is negative they come again: here three times.
interrupts_in_a_row:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r4,2
    std     r4,LET_PASS(r13)
    ld      r27,COUNT(r13)
    addi    r27,r27,3
    # Not negative from the start: KVM-PR takes that for a long time.
    li      r4,1
    mftb    r29
    mtdec   r4
    mtmsrd  r31
1:  ld      r4,COUNT(r13)
    cmpd    r4,r27
    blt     1b
    li      r4,1000
    mtctr   r4
2:  bdnz    2b
    xori    r4,r31,MSR_EE
    mtmsrd  r4
    bl      check_interrupt
    mr      r4,r27
    ld      r5,COUNT(r13)
    lis     r3,text_in_a_row@ha
    addi    r3,r3,text_in_a_row@l
    bl      expect
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# H_CEDE sleeps until the interrupt, and enables it.
asleep:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r30,ROUNDS
1:  ld      r27,COUNT(r13)
    mulli   r4,r30,100
    mftb    r29
    add     r29,r29,r4
    mtdec   r4
2:  li      r3,0xe0
    sc      1
ceded:
    mr      r5,r3
    xori    r6,r31,MSR_EE
    mtmsrd  r6
    li      r4,0
    lis     r3,text_cede@ha
    addi    r3,r3,text_cede@l
    bl      expect
    # It may wake for nothing.
    ld      r4,COUNT(r13)
    cmpd    r4,r27
    beq     2b
    bl      check_interrupt
    addi    r4,r27,1
    ld      r5,COUNT(r13)
    lis     r3,text_count@ha
    addi    r3,r3,text_count@l
    bl      expect
    addi    r30,r30,-1
    cmpdi   r30,0
    bne     1b
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

text_count:
    .asciz  "number of interrupts"
text_early:
    .asciz  "sign of the time since the decrementer had to pass zero"
text_order:
    .asciz  "sign of the time since the interrupt before"
text_srr1_decrementer:
    .asciz  "SRR1"
text_handler_msr:
    .asciz  "MSR in the handler"
text_srr0_outside:
    .asciz  "SRR0 outside of the loop"
text_disabled:
    .asciz  "number of interrupts while they were disabled"
text_taken_back:
    .asciz  "number of interrupts with a positive decrementer"
text_in_a_row:
    .asciz  "number of interrupts in a row"
text_cede:
    .asciz  "status of H_CEDE"
    .balign 4
