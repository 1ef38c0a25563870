# Other processors. Each waits for orders, in real mode and with external interrupts disabled: a routine and its arguments, which the first
# processor puts into its area. It is started with its first order, and stopped before a case in which no other processor makes a step.

.equ AREA_STATE,AREA_OWN+0x80
# Of an order.
.equ ORDERED,1
.equ DONE,2
.equ AREA_ROUTINE,AREA_OWN+0x88
# The vector of the interrupt that has ended the order, or 0.
.equ AREA_INTERRUPTED,AREA_OWN+0x90
# Not zero while an interrupt is what is waited for.
.equ AREA_IS_PROBING,AREA_OWN+0x98
# Decrementer interrupts since it was last zeroed.
.equ AREA_DECREMENTS,AREA_OWN+0xa0
# How far the processor is with an order, for others to see.
.equ AREA_PROGRESS,AREA_OWN+0xa8
.equ AREA_IS_STARTED,AREA_OWN+0xb0
# r3 to r12 before and after the routine.
.equ AREA_REGISTERS,AREA_OWN+0xb8

# The area of processor r3: r4. Changes only r4 and r5.
area_of:
    lis     r4,AREAS@ha
    addi    r4,r4,AREAS@l
    sldi    r5,r3,AREA_SHIFT
    add     r4,r4,r5
    blr

# r3 = 1 if the time base has gone on by more than a minute since it was r3, and else 0. Changes only r3 to r5.
is_past_a_minute:
    mftb    r4
    subf    r4,r3,r4
    lis     r5,timebase_hz@ha
    ld      r5,timebase_hz@l(r5)
    mulli   r5,r5,60
    li      r3,0
    cmpld   r4,r5
    blelr
    li      r3,1
    blr

# Tells processor r3 to call r4 with `registers`. Returns 0, or the status of start-cpu.
order:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-96(r1)
    std     r3,32(r1)
    std     r4,40(r1)
    bl      area_of
    ld      r5,40(r1)
    std     r5,AREA_ROUTINE(r4)
    li      r5,0
    std     r5,AREA_INTERRUPTED(r4)
    std     r5,AREA_PROGRESS(r4)
    lis     r5,registers@ha
    addi    r5,r5,registers@l-8
    addi    r6,r4,AREA_REGISTERS-8
    li      r7,10
    mtctr   r7
1:  ldu     r7,8(r5)
    stdu    r7,8(r6)
    bdnz    1b
    lwsync
    li      r5,ORDERED
    std     r5,AREA_STATE(r4)
    ld      r5,AREA_IS_STARTED(r4)
    li      r3,0
    cmpdi   r5,0
    bne     2f
    std     r4,48(r1)
    ld      r8,32(r1)
    lis     r6,servers@ha
    addi    r6,r6,servers@l
    sldi    r7,r8,3
    ldx     r6,r6,r7
    bl      start_one
    cmpdi   r3,0
    bne     2f
    ld      r4,48(r1)
    li      r5,1
    std     r5,AREA_IS_STARTED(r4)
2:  addi    r1,r1,96
    ld      r0,16(r1)
    mtlr    r0
    blr

# Waits until processor r3 is done with its order, and takes its `registers`. Returns 1 in r3, or 0 if it has taken more than a minute, and in r4
# the vector of the interrupt that has ended the order, or 0.
answer:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-96(r1)
    bl      area_of
    std     r4,32(r1)
    mftb    r3
    std     r3,40(r1)
1:  ld      r4,32(r1)
    ld      r5,AREA_STATE(r4)
    cmpdi   r5,DONE
    beq     2f
    bl      pause
    ld      r3,40(r1)
    bl      is_past_a_minute
    cmpdi   r3,0
    beq     1b
    li      r3,0
    li      r4,0
    b       4f
2:  lwsync
    lis     r5,registers@ha
    addi    r5,r5,registers@l-8
    addi    r6,r4,AREA_REGISTERS-8
    li      r7,10
    mtctr   r7
3:  ldu     r7,8(r6)
    stdu    r7,8(r5)
    bdnz    3b
    ld      r4,AREA_INTERRUPTED(r4)
    li      r3,1
4:  addi    r1,r1,96
    ld      r0,16(r1)
    mtlr    r0
    blr

# Ends what others do, and stops them.
stop_others:
    lis     r3,stop_one@ha
    addi    r3,r3,stop_one@l
    b       after_all

# Ends what others do, so that another case may begin: without segments.
settle_others:
    lis     r3,settle_one@ha
    addi    r3,r3,settle_one@l

# Ends what others do, and calls r3 for each that is started, with its number in r3 and a frame's address in r6, where the time base is since when this
# lasts. If it takes more than a minute, the program ends: another one may go on behind this case.
after_all:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-96(r1)
    std     r3,56(r1)
    li      r3,1
    std     r3,40(r1)
    lis     r4,is_enough@ha
    std     r3,is_enough@l(r4)
    mftb    r3
    std     r3,32(r1)
1:  lis     r4,last_processor@ha
    ld      r4,last_processor@l(r4)
    ld      r3,40(r1)
    cmpd    r3,r4
    bgt     5f
    bl      area_of
    std     r4,48(r1)
    ld      r5,AREA_IS_STARTED(r4)
    cmpdi   r5,0
    beq     4f
2:  ld      r4,48(r1)
    ld      r5,AREA_STATE(r4)
    cmpdi   r5,DONE
    beq     3f
    ld      r3,32(r1)
    bl      pause_for_a_minute
    b       2b
3:  ld      r4,56(r1)
    mtctr   r4
    ld      r3,40(r1)
    ld      r6,32(r1)
    bctrl
4:  ld      r3,40(r1)
    addi    r3,r3,1
    std     r3,40(r1)
    b       1b
5:  li      r3,0
    lis     r4,is_enough@ha
    std     r3,is_enough@l(r4)
    addi    r1,r1,96
    ld      r0,16(r1)
    mtlr    r0
    blr

# Processor r3, which is done, stops itself. r6 = since when this lasts.
stop_one:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-96(r1)
    std     r3,40(r1)
    std     r6,32(r1)
    li      r4,0
    bl      order
1:  ld      r6,40(r1)
    sldi    r6,r6,3
    lis     r7,servers@ha
    addi    r7,r7,servers@l
    ldx     r6,r7,r6
    bl      query
    cmpdi   r4,0
    beq     2f
    ld      r3,32(r1)
    bl      pause_for_a_minute
    b       1b
2:  ld      r3,40(r1)
    bl      area_of
    li      r5,0
    std     r5,AREA_IS_STARTED(r4)
    addi    r1,r1,96
    ld      r0,16(r1)
    mtlr    r0
    blr

# Processor r3, which is done, has no segments any more.
settle_one:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-96(r1)
    std     r3,40(r1)
    lis     r4,drop_segments@ha
    addi    r4,r4,drop_segments@l
    bl      order
    ld      r3,40(r1)
    bl      answer
    cmpdi   r3,1
    bne     give_up
    addi    r1,r1,96
    ld      r0,16(r1)
    mtlr    r0
    blr

# `pause`, unless there has been a minute since the time base was r3.
pause_for_a_minute:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      is_past_a_minute
    cmpdi   r3,0
    bne     give_up
    bl      pause
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

give_up:
    lis     r3,text_given_up@ha
    addi    r3,r3,text_given_up@l
    bl      put_text
    bl      end_line
    lis     r3,text_stops@ha
    addi    r3,r3,text_stops@l
    li      r4,1
    li      r5,0
    b       abandon

# Where others begin.
work:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r3,0
    std     r3,AREA_IS_PROBING(r13)
    bl      drop_segments
next_order:
    ld      r3,AREA_STATE(r13)
    cmpdi   r3,ORDERED
    beq     1f
    bl      pause
    b       next_order
1:  lwsync
    ld      r3,AREA_ROUTINE(r13)
    cmpdi   r3,0
    beq     no_more_orders
    mtctr   r3
    addi    r12,r13,AREA_REGISTERS
    ld      r3,0(r12)
    ld      r4,8(r12)
    ld      r5,16(r12)
    ld      r6,24(r12)
    ld      r7,32(r12)
    ld      r8,40(r12)
    ld      r9,48(r12)
    ld      r10,56(r12)
    ld      r11,64(r12)
    ld      r12,72(r12)
    bctrl
    # r12 goes round by r0.
    mr      r0,r12
    addi    r12,r13,AREA_REGISTERS
    std     r3,0(r12)
    std     r4,8(r12)
    std     r5,16(r12)
    std     r6,24(r12)
    std     r7,32(r12)
    std     r8,40(r12)
    std     r9,48(r12)
    std     r10,56(r12)
    std     r11,64(r12)
    std     r0,72(r12)
order_is_done:
    # R and C of its accesses, too, are where others see them (Power ISA v2.07B, Book III-S, 5.7.8).
    ptesync
    li      r3,DONE
    std     r3,AREA_STATE(r13)
    b       next_order
no_more_orders:
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# In a handler: another processor's order ends.
order_is_interrupted:
    ld      r5,AREA_VECTOR(r13)
    std     r5,AREA_INTERRUPTED(r13)
    lis     r4,order_is_done@ha
    addi    r4,r4,order_is_done@l
    std     r4,AREA_SRR0(r13)
    mfmsr   r4
    std     r4,AREA_SRR1(r13)
    addi    r4,r13,AREA_STACK-64
    std     r4,AREA_GPR0+1*8(r13)
    blr

    .balign 8
# Not zero: those who do something again and again come to an end.
is_enough:
    .quad   0
text_given_up:
    .asciz  "GIVEN UP: another processor does not come to an end"
text_stops:
    .asciz  "other processors that stop"
    .balign 4
