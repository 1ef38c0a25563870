# Says the time base about every millisecond, `ticks=` times; waits in a loop, or asleep, by turns.

.equ TICKS,20

# r31 = ticks left, r30 = when the next is due.
main:
    mflr    r0
    std     r0,16(r1)
    std     r31,-8(r1)
    std     r30,-16(r1)
    stdu    r1,-80(r1)
    lis     r3,text_ticks@ha
    addi    r3,r3,text_ticks@l
    li      r4,TICKS
    bl      argument
    mr      r31,r3
1:  lis     r3,text_tick@ha
    addi    r3,r3,text_tick@l
    bl      put_text
    mftb    r30
    mr      r3,r30
    bl      put_hex
    bl      end_line
    # 2^19 ticks.
    lis     r4,8
    add     r30,r30,r4
    andi.   r4,r31,1
    beq     3f
2:  mftb    r4
    cmpd    r4,r30
    blt     2b
    b       4f
3:  lis     r3,8
    bl      sleep
4:  addi    r31,r31,-1
    cmpdi   r31,0
    bgt     1b
    addi    r1,r1,80
    ld      r31,-8(r1)
    ld      r30,-16(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr

text_ticks:
    .asciz  "ticks="
text_tick:
    .asciz  "tick "
    .balign 4
