# The processors that store.

# r28 = round, r27 = place in the list, r26 = offset of this processor's pieces, r25 = board, r24 = what was found wrong,
# r23 = ticks between two places, r22 and r21 = MSR with and without DR, r20 = rounds or 0, r19 = what rests in the last place.
work:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      take_windows
    sldi    r26,r30,PIECE_SHIFT
    addi    r25,r30,-1
    sldi    r25,r25,7
    lis     r4,boards@ha
    addi    r4,r4,boards@l
    add     r25,r25,r4
    lis     r4,pause@ha
    ld      r23,pause@l(r4)
    lis     r4,tries@ha
    ld      r20,tries@l(r4)
    li      r24,0
    li      r28,0
    mfmsr   r22
    li      r4,0x10
    andc    r21,r22,r4
next_round:
    addi    r28,r28,1
    lis     r27,places@ha
    addi    r27,r27,places@l
next_place:
    ld      r3,0(r27)
    ld      r4,8(r27)
    add     r3,r3,r26
    cmpdi   r4,0
    beq     1f
    mtmsrd  r21
    isync
1:  # The last one rests, in its turn.
    lis     r4,last_place@ha
    addi    r4,r4,last_place@l
    cmpd    r27,r4
    bne     2f
    cmpdi   r28,LAST_STORE
    bgt     rests
    mr      r19,r28
2:  # Here is what was stored in the round before; or zero, if that was discarded.
    ld      r5,0(r3)
    addi    r6,r28,-1
    cmpd    r5,r6
    beq     3f
    cmpdi   r5,0
    beq     3f
    addi    r24,r24,1
3:  std     r28,0(r3)
    # The next place comes later.
    sync
    ld      r5,0(r3)
    cmpd    r5,r28
    beq     4f
    cmpdi   r5,0
    beq     4f
    addi    r24,r24,1
4:  mtmsrd  r22
    isync
    mftb    r4
5:  mftb    r5
    subf    r5,r4,r5
    cmpld   r5,r23
    blt     5b
    addi    r27,r27,16
    lis     r4,places_end@ha
    addi    r4,r4,places_end@l
    cmpd    r27,r4
    blt     next_place
    std     r24,BOARD_STALE(r25)
    std     r28,BOARD_ROUNDS(r25)
    lis     r4,is_over@ha
    lwz     r4,is_over@l(r4)
    cmpwi   r4,0
    bne     6f
    cmpd    r28,r20
    bne     next_round
6:  bl      translate_no_more
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The place at r3, where nobody stores any more: what was there once and is gone does not come back.
rests:
    ld      r5,0(r3)
    cmpd    r5,r19
    beq     4b
    cmpdi   r5,0
    li      r19,0
    beq     4b
    addi    r24,r24,1
    b       4b

# Gives this processor the program's segment and those of the windows, and turns translation on.
take_windows:
    li      r3,OWN_VSID
    sldi    r3,r3,12
    lis     r4,0x800
    slbmte  r3,r4
    lis     r9,in_segments@ha
    addi    r9,r9,in_segments@l
    li      r7,0
1:  sldi    r5,r7,3
    ldx     r3,r9,r5
    addi    r5,r7,WINDOW_VSID
    sldi    r5,r5,12
    or      r3,r3,r5
    li      r4,EFFECTIVE>>32
    sldi    r4,r4,32
    sldi    r5,r7,28
    add     r4,r4,r5
    oris    r4,r4,0x800
    add     r4,r4,r7
    addi    r4,r4,1
    slbmte  r3,r4
    addi    r7,r7,1
    cmpdi   r7,3
    blt     1b
    isync
    mfmsr   r3
    ori     r3,r3,MSR_IR_DR
    mtmsrd  r3
    isync
    blr

    .balign 128
# Not zero: the end.
is_over:
    .space  128
# The first is that of processor 1.
boards:
    .space  63*BOARD_BYTES
