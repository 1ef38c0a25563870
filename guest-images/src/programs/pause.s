# Lets the other processors run, which may need this one's host: H_CONFER to all. Changes only r0, r3, r4 and r11.
pause:
    std     r5,-8(r1)
    std     r9,-16(r1)
    std     r10,-24(r1)
    mfcr    r11
    std     r11,-32(r1)
    mfctr   r11
    std     r11,-40(r1)
    li      r3,0xe4
    li      r4,-1
    li      r5,0
    sc      1
    ld      r11,-40(r1)
    mtctr   r11
    ld      r11,-32(r1)
    mtcr    r11
    ld      r10,-24(r1)
    ld      r9,-16(r1)
    ld      r5,-8(r1)
    blr
