# All processors but the first load from every page of a window in turn, for as long as nobody types, and keep the longest time between two
# loads. For those who take the memory away meanwhile, and look at the boards in memory from outside.
#
# The window begins at real address WINDOW; behind it is a page with a board for each processor that sweeps: the longest time between two
# loads in ticks of the time base, then the number of sweeps. Who looks may set the first to zero.
# Words of the command line: `tries=` sweeps, or none; `shift=` 16 for pages of 64K; `mib=` size of the window, 64 or less.

.equ WINDOW,0x2000000
.equ MOST_MIB,64
.equ WINDOW_VSID,0x400
# Where the segment of the window is.
.equ EFFECTIVE,1<<46
.equ BOARD_LONGEST,0
.equ BOARD_SWEEPS,8

# r31 = number of processors, r29 = sweeps or 0.
main:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r31,processor_count@ha
    ld      r31,processor_count@l(r31)
    bl      need_two_processors
    lis     r3,text_mib@ha
    addi    r3,r3,text_mib@l
    li      r4,MOST_MIB
    bl      argument
    mr      r5,r3
    sldi    r4,r3,20
    lis     r6,window_bytes@ha
    std     r4,window_bytes@l(r6)
    addi    r4,r3,-1
    lis     r3,text_mib@ha
    addi    r3,r3,text_mib@l
    cmpldi  r4,MOST_MIB
    li      r4,MOST_MIB
    bge     abandon
    # The window, and the page of the boards.
    lis     r4,window_bytes@ha
    ld      r4,window_bytes@l(r4)
    addis   r4,r4,(WINDOW>>16)+1
    lis     r5,memory_bytes@ha
    ld      r5,memory_bytes@l(r5)
    lis     r3,text_memory_needed@ha
    addi    r3,r3,text_memory_needed@l
    cmpld   r5,r4
    blt     abandon
    lis     r3,text_tries@ha
    addi    r3,r3,text_tries@l
    li      r4,0
    bl      argument
    mr      r29,r3
    lis     r4,tries@ha
    std     r3,tries@l(r4)
    lis     r3,text_shift@ha
    addi    r3,r3,text_shift@l
    li      r4,12
    bl      argument
    mr      r27,r3
    # Where the tree has no such pages, they are of 4K.
    mr      r4,r3
    bl      has_page_size
    cmpdi   r3,0
    bne     2f
    li      r27,12
2:  lis     r4,page_shift@ha
    std     r27,page_shift@l(r4)
    cmpdi   r27,16
    bne     3f
    li      r4,0x110
    lis     r5,in_segment@ha
    std     r4,in_segment@l(r5)
3:  bl      map_program
    bl      map_window
    bl      start_all
    lis     r3,text_name@ha
    addi    r3,r3,text_name@l
    addi    r4,r31,-1
    bl      put_count
    lis     r3,text_sweep@ha
    addi    r3,r3,text_sweep@l
    bl      put_text
    bl      end_line
    cmpdi   r29,0
    bne     5f
    # Until somebody types: H_GET_TERM_CHAR.
4:  lis     r3,0x40
    bl      sleep
    li      r3,0x54
    lis     r4,terminal@ha
    ld      r4,terminal@l(r4)
    sc      1
    cmpdi   r4,0
    beq     4b
    li      r4,1
    lis     r5,is_over@ha
    stw     r4,is_over@l(r5)
    sync
5:  bl      wait_until_stopped
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Enters the pages of the window and that of the boards, bolted. r27 = log2 of a page, r28 = offset.
map_window:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r28,0
1:  srd     r5,r28,r27
    # Hash.
    li      r11,WINDOW_VSID
    xor     r5,r5,r11
    lis     r9,table_order@ha
    ld      r9,table_order@l(r9)
    # 128 bytes a group.
    addi    r9,r9,-7
    li      r10,1
    sld     r10,r10,r9
    addi    r10,r10,-1
    and     r5,r5,r10
    sldi    r5,r5,3
    # Doubleword 0: the AVPN has the offset from bit 23 on.
    sldi    r6,r11,12
    srdi    r7,r28,23
    sldi    r7,r7,7
    or      r6,r6,r7
    ori     r6,r6,0x11
    addis   r7,r28,WINDOW>>16
    ori     r7,r7,0x12
    cmpdi   r27,16
    bne     2f
    # L, and LP of pages of 64K.
    ori     r6,r6,4
    ori     r7,r7,0x1000
2:  li      r3,8
    li      r4,0
    sc      1
    cmpdi   r3,0
    bne     refused
    li      r4,1
    sld     r4,r4,r27
    add     r28,r28,r4
    # The page of the boards, too.
    lis     r4,window_bytes@ha
    ld      r4,window_bytes@l(r4)
    cmpld   r28,r4
    ble     1b
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# r28 = sweeps, r27 = page, r26 = bytes of a page, r25 = board, r24 = end of the window, r23 = time of the last load, r22 = begin of it,
# r20 = sweeps or 0.
work:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      take_window
    lis     r4,page_shift@ha
    ld      r4,page_shift@l(r4)
    li      r26,1
    sld     r26,r26,r4
    lis     r4,tries@ha
    ld      r20,tries@l(r4)
    li      r22,EFFECTIVE>>32
    sldi    r22,r22,32
    lis     r4,window_bytes@ha
    ld      r4,window_bytes@l(r4)
    add     r24,r22,r4
    addi    r25,r30,-1
    sldi    r25,r25,7
    add     r25,r25,r24
    li      r28,0
1:  addi    r28,r28,1
    mr      r27,r22
    mftb    r23
2:  lwz     r3,0(r27)
    mftb    r4
    subf    r5,r23,r4
    mr      r23,r4
    ld      r6,BOARD_LONGEST(r25)
    cmpld   r5,r6
    ble     3f
    std     r5,BOARD_LONGEST(r25)
3:  add     r27,r27,r26
    cmpld   r27,r24
    blt     2b
    std     r28,BOARD_SWEEPS(r25)
    lis     r4,is_over@ha
    lwz     r4,is_over@l(r4)
    cmpwi   r4,0
    bne     4f
    cmpd    r28,r20
    bne     1b
4:  bl      translate_no_more
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Gives this processor the program's segment and that of the window, and turns translation on.
take_window:
    li      r3,OWN_VSID
    sldi    r3,r3,12
    lis     r4,0x800
    slbmte  r3,r4
    lis     r4,in_segment@ha
    ld      r4,in_segment@l(r4)
    li      r3,WINDOW_VSID
    sldi    r3,r3,12
    or      r3,r3,r4
    li      r4,EFFECTIVE>>32
    sldi    r4,r4,32
    oris    r4,r4,0x800
    addi    r4,r4,1
    slbmte  r3,r4
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
tries:
    .quad   0
page_shift:
    .quad   12
window_bytes:
    .quad   0
# L and LP of the window's segment.
in_segment:
    .quad   0
text_memory_needed:
    .asciz  "bytes of memory"
text_mib:
    .asciz  "mib="
text_tries:
    .asciz  "tries="
text_shift:
    .asciz  "shift="
text_name:
    .asciz  "sweep: "
text_sweep:
    .asciz  " processors sweep"
    .balign 4
