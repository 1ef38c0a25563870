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

    .balign 128
# Processors that are here, generation: in a reservation granule of its own.
barrier_state:
    .space  128
