# A barrier for all processors: r31 of them, with r13 = their area.

# Waits until all r31 processors are here. The last one begins a new generation.
barrier:
    lwsync
    lis     r9,barrier_state@ha
    addi    r9,r9,barrier_state@l
    lwz     r5,4(r9)
    # The generation is read before this processor counts itself.
    lwsync
1:  lwarx   r4,0,r9
    addi    r4,r4,1
    cmpw    r4,r31
    bne     2f
    li      r4,0
2:  stwcx.  r4,0,r9
    bne     1b
    cmpwi   r4,0
    bne     3f
    lwsync
    addi    r5,r5,1
    stw     r5,4(r9)
    blr
3:  mflr    r0
    std     r0,16(r1)
4:  bl      pause
    lwz     r4,4(r9)
    cmpw    r4,r5
    beq     4b
    isync
    ld      r0,16(r1)
    mtlr    r0
    blr

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

    .balign 128
# Processors that are here, generation: in a reservation granule of its own.
barrier_state:
    .space  128
