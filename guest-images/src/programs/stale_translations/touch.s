# The processors that touch the page, and where they say what came of it.

# A processor's board: tries begun and ended, the last generation loaded, loads from a place that was gone.
.equ BOARD_ATTEMPTS,0
.equ BOARD_SEEN,8
.equ BOARD_STALE,16
.equ BOARD_BYTES,128

# r3 = the page, r4 = board, r5 = where it says that it is over, r6 = tries, r7 = what was loaded, r8 = what is stored, r9 = stale
# loads. Interrupts change none of them but r6.
work:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      translate
    li      r3,TOUCHED>>32
    sldi    r3,r3,32
    addi    r6,r30,-1
    sldi    r6,r6,7
    lis     r4,boards@ha
    addi    r4,r4,boards@l
    add     r4,r4,r6
    lis     r5,is_over@ha
    addi    r5,r5,is_over@l
    li      r6,0
    li      r8,0
    li      r9,0
touch_page:
    ld      r7,0(r3)
    cmpdi   r7,0
    blt     2f
1:  std     r7,BOARD_SEEN(r4)
    std     r8,8(r3)
    addi    r8,r8,1
    addi    r6,r6,1
    lwsync
    std     r6,BOARD_ATTEMPTS(r4)
    # A stale translation may last for ever: then no fault tells that it is over.
    andi.   r0,r6,0x3ff
    bne     touch_page
    lwz     r0,0(r5)
    cmpwi   r0,0
    beq     touch_page
    # Whoever can load from the page now, has one. The fault of the next page, which nobody enters, ends it.
    isync
    ld      r7,0(r3)
    addi    r9,r9,1
    std     r9,BOARD_STALE(r4)
    ld      r7,0x1000(r3)
2:  addi    r9,r9,1
    std     r9,BOARD_STALE(r4)
    b       1b

# At 0x300, in the place of what other programs have there: saves nothing and goes back to the access, which takes few
# privileged instructions.
to_touch_fault:
    ba      touch_fault
touch_fault:
    addi    r6,r6,1
    lwsync
    std     r6,BOARD_ATTEMPTS(r4)
    lwz     r0,0(r5)
    cmpwi   r0,0
    bne     1f
    rfid
    # In real mode again, and this is where `work` ends.
1:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

    .balign 128
# Not zero: all tries are done.
is_over:
    .space  128
# The first is that of processor 1.
boards:
    .space  63*BOARD_BYTES
