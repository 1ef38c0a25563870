# The console: text goes out in pieces of 16 bytes, or at the end of a line.

# Puts the byte r3.
put_byte:
    lis     r9,console_text@ha
    addi    r9,r9,console_text@l
    lbz     r10,16(r9)
    stbx    r3,r9,r10
    addi    r10,r10,1
    stb     r10,16(r9)
    cmpdi   r3,'\n'
    beq     send
    cmpdi   r10,16
    bltlr

# Sends what has been put so far: H_PUT_TERM_CHAR, as long as it answers H_Busy.
send:
    lis     r9,console_text@ha
    addi    r9,r9,console_text@l
    li      r6,0
    li      r7,0
    li      r8,0
1:  lbzx    r10,r9,r8
    addi    r11,r8,8
    lbzx    r11,r9,r11
    sldi    r6,r6,8
    or      r6,r6,r10
    sldi    r7,r7,8
    or      r7,r7,r11
    addi    r8,r8,1
    cmpdi   r8,8
    blt     1b
    std     r6,-16(r1)
    std     r7,-8(r1)
2:  lis     r9,console_text@ha
    addi    r9,r9,console_text@l
    li      r3,0x58
    lis     r4,terminal@ha
    ld      r4,terminal@l(r4)
    lbz     r5,16(r9)
    ld      r6,-16(r1)
    ld      r7,-8(r1)
    sc      1
    cmpdi   r3,1
    beq     2b
    lis     r9,console_text@ha
    addi    r9,r9,console_text@l
    li      r4,0
    stb     r4,16(r9)
    blr

# Puts the text at r3 up to its zero byte.
put_text:
    mflr    r0
    std     r0,16(r1)
    std     r31,-8(r1)
    stdu    r1,-64(r1)
    mr      r31,r3
1:  lbz     r3,0(r31)
    cmpdi   r3,0
    beq     2f
    bl      put_byte
    addi    r31,r31,1
    b       1b
2:  addi    r1,r1,64
    ld      r31,-8(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr

# Ends the line, as a raw terminal wants it.
end_line:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r3,'\r'
    bl      put_byte
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    li      r3,'\n'
    b       put_byte

# Puts r3 in hexadecimal, after 0x and without leading zeros.
put_hex:
    mflr    r0
    std     r0,16(r1)
    std     r31,-8(r1)
    std     r30,-16(r1)
    stdu    r1,-80(r1)
    mr      r31,r3
    li      r3,'0'
    bl      put_byte
    li      r3,'x'
    bl      put_byte
    cntlzd  r30,r31
    cmpdi   r30,60
    ble     1f
    li      r30,60
1:  clrrdi  r30,r30,2
    sld     r31,r31,r30
2:  srdi    r3,r31,60
    sldi    r31,r31,4
    cmpdi   r3,10
    addi    r3,r3,'0'
    blt     3f
    addi    r3,r3,'a'-'0'-10
3:  bl      put_byte
    addi    r30,r30,4
    cmpdi   r30,64
    blt     2b
    addi    r1,r1,80
    ld      r31,-8(r1)
    ld      r30,-16(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr

# Puts the text at r3 and the number r4, in decimal.
put_count:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    std     r4,32(r1)
    bl      put_text
    ld      r3,32(r1)
    bl      put_decimal
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Puts r3 in decimal.
put_decimal:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-80(r1)
    # Digits from the last to the first, before a zero byte.
    addi    r4,r1,79
    li      r5,0
    stb     r5,0(r4)
    li      r6,10
1:  divdu   r7,r3,r6
    mulld   r8,r7,r6
    subf    r8,r8,r3
    addi    r8,r8,'0'
    stbu    r8,-1(r4)
    mr.     r3,r7
    bne     1b
    mr      r3,r4
    bl      put_text
    addi    r1,r1,80
    ld      r0,16(r1)
    mtlr    r0
    blr

# The text that waits, and how many bytes it has.
console_text:
    .space  16
    .byte   0
    .balign 8
