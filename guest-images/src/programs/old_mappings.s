# The first processor makes the mappings, starts the others and watches: `old_mappings: N processors store`, `old_mappings: all rest`
# when the last store to the places that rest is done, and at the end `old_mappings: rounds R stale S`.

# Where the segments of the windows are, one behind the other.
.equ EFFECTIVE,1<<46
.equ WINDOW_VSID,0x400
.equ OVER,WINDOWS+(WAYS<<WINDOW_SHIFT)

# A processor's board: rounds done, what was found wrong.
.equ BOARD_ROUNDS,0
.equ BOARD_STALE,8
.equ BOARD_BYTES,128

# r31 = number of processors, r29 = rounds or 0.
main:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r31,processor_count@ha
    ld      r31,processor_count@l(r31)
    bl      need_two_processors
    lis     r5,memory_bytes@ha
    ld      r5,memory_bytes@l(r5)
    lis     r4,OVER@ha
    addi    r4,r4,OVER@l
    cmpld   r5,r4
    bge     2f
    lis     r3,text_memory_needed@ha
    addi    r3,r3,text_memory_needed@l
    b       abandon
2:  lis     r3,text_tries@ha
    addi    r3,r3,text_tries@l
    li      r4,0
    bl      argument
    mr      r29,r3
    lis     r4,tries@ha
    std     r3,tries@l(r4)
    lis     r3,text_pause@ha
    addi    r3,r3,text_pause@l
    li      r4,0
    bl      argument
    lis     r4,pause@ha
    std     r3,pause@l(r4)
    bl      map_program
    bl      map_windows
    bl      start_all
    lis     r3,text_name@ha
    addi    r3,r3,text_name@l
    addi    r4,r31,-1
    bl      put_count
    lis     r3,text_store@ha
    addi    r3,r3,text_store@l
    bl      put_text
    bl      end_line
    # Until all have done so many rounds.
    li      r28,LAST_STORE+1
    cmpdi   r29,0
    beq     3f
    cmpd    r29,r28
    bge     3f
    mr      r28,r29
3:  bl      fewest_rounds
    cmpd    r3,r28
    bge     4f
    lis     r3,4
    bl      sleep
    b       3b
4:  lis     r3,text_rest@ha
    addi    r3,r3,text_rest@l
    bl      put_text
    bl      end_line
    cmpdi   r29,0
    bne     6f
    # Until somebody types: H_GET_TERM_CHAR.
5:  lis     r3,4
    bl      sleep
    li      r3,0x54
    lis     r4,terminal@ha
    ld      r4,terminal@l(r4)
    sc      1
    cmpdi   r4,0
    beq     5b
    li      r4,1
    lis     r5,is_over@ha
    stw     r4,is_over@l(r5)
    sync
6:  bl      wait_until_stopped
    bl      report
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The fewest rounds that one of the others has done: r3.
fewest_rounds:
    lis     r9,boards@ha
    addi    r9,r9,boards@l
    addi    r4,r31,-1
    mtctr   r4
    li      r3,-1
1:  ld      r4,BOARD_ROUNDS(r9)
    cmpld   r4,r3
    bge     2f
    mr      r3,r4
2:  addi    r9,r9,BOARD_BYTES
    bdnz    1b
    blr

report:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r9,boards@ha
    addi    r9,r9,boards@l
    addi    r4,r31,-1
    mtctr   r4
    li      r28,0
    li      r27,0
1:  ld      r4,BOARD_ROUNDS(r9)
    add     r28,r28,r4
    ld      r4,BOARD_STALE(r9)
    add     r27,r27,r4
    addi    r9,r9,BOARD_BYTES
    bdnz    1b
    lis     r3,text_rounds@ha
    addi    r3,r3,text_rounds@l
    mr      r4,r28
    bl      put_count
    lis     r3,text_stale@ha
    addi    r3,r3,text_stale@l
    mr      r4,r27
    bl      put_count
    bl      end_line
    lis     r3,found_stale@ha
    addi    r3,r3,found_stale@l
    li      r4,0
    mr      r5,r27
    bl      expect
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Enters the pages of the three windows that are reached by the table, as many as the processors need.
map_windows:
    mflr    r0
    std     r0,16(r1)
    std     r28,-8(r1)
    std     r27,-16(r1)
    stdu    r1,-96(r1)
    li      r28,0
1:  bl      sizes_of_window
    # r27 = offset in the window.
    li      r27,0
2:  bl      map_page
    lis     r9,base_shifts@ha
    addi    r9,r9,base_shifts@l
    sldi    r4,r28,3
    ldx     r4,r9,r4
    li      r5,1
    sld     r5,r5,r4
    add     r27,r27,r5
    sldi    r4,r31,PIECE_SHIFT
    cmpld   r27,r4
    blt     2b
    addi    r28,r28,1
    cmpdi   r28,3
    blt     1b
    addi    r1,r1,96
    ld      r28,-8(r1)
    ld      r27,-16(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr

# If the tree has no pages of the size of window r28, it gets those of 4K.
sizes_of_window:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r9,base_shifts@ha
    addi    r9,r9,base_shifts@l
    sldi    r4,r28,3
    ldx     r3,r9,r4
    mr      r4,r3
    bl      has_page_size
    cmpdi   r3,0
    bne     1f
    sldi    r4,r28,3
    li      r5,12
    lis     r9,base_shifts@ha
    addi    r9,r9,base_shifts@l
    stdx    r5,r9,r4
    li      r5,0
    lis     r9,in_segments@ha
    addi    r9,r9,in_segments@l
    stdx    r5,r9,r4
    lis     r9,in_entries@ha
    addi    r9,r9,in_entries@l
    stdx    r5,r9,r4
    li      r5,1
    lis     r9,first_doublewords@ha
    addi    r9,r9,first_doublewords@l
    stdx    r5,r9,r4
1:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# H_ENTER of the page of window r28 at offset r27, bolted. The offset is below 8 MiB, so it is not in the AVPN.
map_page:
    sldi    r8,r28,3
    lis     r9,base_shifts@ha
    addi    r9,r9,base_shifts@l
    ldx     r10,r9,r8
    srd     r5,r27,r10
    # Hash.
    addi    r11,r28,WINDOW_VSID
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
    lis     r9,first_doublewords@ha
    addi    r9,r9,first_doublewords@l
    ldx     r6,r9,r8
    sldi    r11,r11,12
    or      r6,r6,r11
    ori     r6,r6,0x10
    lis     r9,in_entries@ha
    addi    r9,r9,in_entries@l
    ldx     r7,r9,r8
    sldi    r9,r28,WINDOW_SHIFT
    add     r7,r7,r9
    add     r7,r7,r27
    addis   r7,r7,WINDOWS>>16
    ori     r7,r7,0x12
    li      r3,8
    li      r4,0
    sc      1
    cmpdi   r3,0
    bne     refused
    blr

    .balign 8
tries:
    .quad   0
pause:
    .quad   0
# Of the three windows: log2 of the page size, L and LP of the segment, LP of doubleword 1, L and V of doubleword 0.
base_shifts:
    .quad   12,16,24
in_segments:
    .quad   0,0x110,0x100
in_entries:
    .quad   0,0x1000,0
first_doublewords:
    .quad   1,5,5
text_memory_needed:
    .asciz  "bytes of memory"
text_tries:
    .asciz  "tries="
text_pause:
    .asciz  "pause="
text_name:
    .asciz  "old_mappings: "
text_store:
    .asciz  " processors store"
text_rest:
    .asciz  "old_mappings: all rest"
text_rounds:
    .asciz  "old_mappings: rounds "
text_stale:
    .asciz  " stale "
found_stale:
    .asciz  "number of loads that found what is gone"
    .balign 4
