# What a user asks of a program: words NAME=NUMBER on the kernel's command line.

# What all programs take: `exact=1`.
read_arguments:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r3,text_exact@ha
    addi    r3,r3,text_exact@l
    li      r4,0
    bl      argument
    lis     r4,is_exact@ha
    std     r3,is_exact@l(r4)
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The decimal number behind the text at r3, which ends with an equals sign, or r4 if there is no such word: r3. The tree must
# still be where it was.
argument:
    lis     r5,command_line@ha
    ld      r5,command_line@l(r5)
    cmpdi   r5,0
    beq     4f
    # A word begins at r5.
1:  mr      r6,r3
    mr      r7,r5
2:  lbz     r8,0(r6)
    cmpdi   r8,0
    beq     5f
    lbz     r9,0(r7)
    cmpd    r8,r9
    bne     3f
    addi    r6,r6,1
    addi    r7,r7,1
    b       2b
3:  lbz     r9,0(r5)
    cmpdi   r9,0
    beq     4f
    addi    r5,r5,1
    cmpdi   r9,' '
    bne     3b
    b       1b
4:  mr      r3,r4
    blr
5:  li      r3,0
6:  lbz     r9,0(r7)
    addi    r7,r7,1
    addi    r9,r9,-'0'
    cmpldi  r9,9
    bgtlr
    mulli   r3,r3,10
    add     r3,r3,r9
    b       6b

    .balign 8
# Not zero: nothing is to be otherwise than the architecture has it.
is_exact:
    .quad   0
text_exact:
    .asciz  "exact="
    .balign 4
