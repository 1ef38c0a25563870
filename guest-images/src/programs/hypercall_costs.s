# What hypercalls cost. Says for each operation `cost NAME TICKS per OPS`: ticks of the time base for so many, the median of some
# rounds. What comes before and after an operation to make it possible is not counted.

.equ PAGE,0x2000000
.equ MOST_ROUNDS,64

# r31 = operations a round, r30 = ticks of this round so far, r29 = operations left, r28 = rounds, r27 = this round,
# r26 = entry of the list, r25 = whether the operation is there. r24 and below belong to the operations.
main:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r3,text_ops@ha
    addi    r3,r3,text_ops@l
    li      r4,100
    bl      argument
    mr      r31,r3
    lis     r3,text_rounds@ha
    addi    r3,r3,text_rounds@l
    li      r4,5
    bl      argument
    mr      r28,r3
    # One operation and one round at least, and rounds for which there is room.
    lis     r3,text_wrong_number@ha
    addi    r3,r3,text_wrong_number@l
    li      r4,0
    mr      r5,r31
    cmpdi   r31,0
    beq     abandon
    mr      r5,r28
    addi    r6,r28,-1
    cmpldi  r6,MOST_ROUNDS
    bge     abandon
    bl      map_program
    bl      translate
    bl      say_clock
    lis     r26,costs@ha
    addi    r26,r26,costs@l
each:
    ld      r3,0(r26)
    cmpdi   r3,0
    beq     measured
    lis     r4,step@ha
    std     r3,step@l(r4)
    li      r25,1
    li      r27,0
1:  li      r30,0
    mr      r29,r31
2:  ld      r3,8(r26)
    mtctr   r3
    bctrl
    addi    r29,r29,-1
    cmpdi   r29,0
    bne     2b
    bl      keep_round
    addi    r27,r27,1
    cmpd    r27,r28
    blt     1b
    cmpdi   r25,0
    beq     3f
    bl      say_cost
3:  addi    r26,r26,16
    b       each
measured:
    bl      translate_no_more
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Puts r30 among the r27 rounds before, which are in order.
keep_round:
    lis     r3,rounds@ha
    addi    r3,r3,rounds@l
    sldi    r4,r27,3
    add     r4,r4,r3
1:  cmpd    r4,r3
    beq     2f
    ld      r5,-8(r4)
    cmpld   r5,r30
    ble     2f
    std     r5,0(r4)
    addi    r4,r4,-8
    b       1b
2:  std     r30,0(r4)
    blr

# `clock HZ`: ticks of the time base in a second.
say_clock:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r3,text_clock@ha
    addi    r3,r3,text_clock@l
    bl      put_text
    lis     r3,timebase_hz@ha
    ld      r3,timebase_hz@l(r3)
    bl      put_decimal
    bl      end_line
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# `cost NAME TICKS per OPS`, with the middle one of the rounds.
say_cost:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r3,text_cost@ha
    addi    r3,r3,text_cost@l
    bl      put_text
    ld      r3,0(r26)
    bl      put_text
    li      r3,' '
    bl      put_byte
    lis     r3,rounds@ha
    addi    r3,r3,rounds@l
    srdi    r4,r28,1
    sldi    r4,r4,3
    ldx     r3,r3,r4
    bl      put_decimal
    lis     r3,text_per@ha
    addi    r3,r3,text_per@l
    bl      put_text
    mr      r3,r31
    bl      put_decimal
    bl      end_line
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

text_ops:
    .asciz  "ops="
text_rounds:
    .asciz  "rounds="
text_wrong_number:
    .asciz  "ops= or rounds= out of range, so nothing"
text_clock:
    .asciz  "clock "
text_cost:
    .asciz  "cost "
text_per:
    .asciz  " per "
    .balign 8
rounds:
    .space  8*MOST_ROUNDS
