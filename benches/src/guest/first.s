# Takes the place of a kernel's first instructions (entered big-endian, in real mode): one line on the console,
# which is the sign that the guest runs, and then nothing.

.equ H_PUT_TERM_CHAR,0x58

    li      r3,H_PUT_TERM_CHAR
    li      r4,0
    li      r5,8
    # "{first}\n"
    lis     r6,0x7b66
    ori     r6,r6,0x6972
    sldi    r6,r6,32
    oris    r6,r6,0x7374
    ori     r6,r6,0x7d0a
    li      r7,0
    sc      1
    b       .
