# Sends back what it receives from the console, byte by byte, until Ctrl-D.

.equ CTRL_D,4

main:
    mflr    r0
    std     r0,16(r1)
    std     r31,-8(r1)
    std     r30,-16(r1)
    std     r29,-24(r1)
    stdu    r1,-96(r1)
# H_GET_TERM_CHAR: r31 = how many bytes, r30 and r29 = the bytes.
receive:
    li      r3,0x54
    lis     r4,terminal@ha
    ld      r4,terminal@l(r4)
    sc      1
    mr      r31,r4
    mr      r30,r5
    mr      r29,r6
    cmpdi   r31,0
    beq     wait
1:  srdi    r3,r30,56
    cmpdi   r3,CTRL_D
    beq     3f
    bl      put_byte
    # The next byte comes to the front.
    sldi    r30,r30,8
    srdi    r4,r29,56
    or      r30,r30,r4
    sldi    r29,r29,8
    addi    r31,r31,-1
    cmpdi   r31,0
    bne     1b
    bl      send
    b       receive
3:  bl      end_line
    addi    r1,r1,96
    ld      r31,-8(r1)
    ld      r30,-16(r1)
    ld      r29,-24(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr

# Nothing has been typed.
wait:
    lis     r3,4
    bl      sleep
    b       receive
