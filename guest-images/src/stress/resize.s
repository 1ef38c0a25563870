# The table grows and shrinks: prepared while the others go on, committed when all have met, as Linux does it. What is bolted comes
# along, to another index; the rest is gone.

# The first processor alone. r24 = the new order.
resize:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r9,table_order@ha
    ld      r24,table_order@l(r9)
    lis     r9,first_order@ha
    ld      r4,first_order@l(r9)
    addi    r5,r24,1
    cmpd    r24,r4
    mr      r24,r4
    bne     1f
    mr      r24,r5
1:  li      r26,0
    li      r3,0x36c
    li      r4,0
    mr      r5,r24
    bl      make_call
    # H_LongBusy: 9900 to 9905.
    addi    r4,r3,-9900
    cmpldi  r4,5
    ble     1b
    # Two bolted entries may have one slot in the smaller table.
    cmpdi   r3,H_PTEG_FULL
    beq     2f
    mr      r5,r3
    lis     r3,found_prepare@ha
    addi    r3,r3,found_prepare@l
    bl      expect_success_of_all
2:  lis     r9,new_order@ha
    std     r24,new_order@l(r9)
    lis     r9,meeting@ha
    li      r4,1
    sync
    stw     r4,meeting@l(r9)
    bl      meet_for_resize
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# A status, r5, that must be H_SUCCESS, of a call that is for no page.
expect_success_of_all:
    li      r4,0
    li      r6,-1
    cmpd    r4,r5
    beqlr
    b       finding

# All processors.
meet_for_resize:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r26,0
1:  bl      record_of
    ld      r4,STATE(r27)
    andi.   r4,r4,3
    beq     2f
    bl      begin_change
2:  addi    r26,r26,1
    cmpdi   r26,PAGES
    blt     1b
    bl      meet
    cmpdi   r30,0
    bne     3f
    bl      commit
3:  bl      meet
    # The orders that the table had and has: the same if nothing came of it.
    lis     r9,was_resized@ha
    lwz     r24,was_resized@l(r9)
    li      r26,0
4:  bl      record_of
    ld      r4,STATE(r27)
    andi.   r4,r4,3
    beq     5f
    bl      meet_again
5:  addi    r26,r26,1
    cmpdi   r26,PAGES
    blt     4b
    bl      meet
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

commit:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r4,0
    lis     r9,meeting@ha
    stw     r4,meeting@l(r9)
    lis     r9,was_resized@ha
    stw     r4,was_resized@l(r9)
    li      r26,0
    li      r3,0x370
    li      r4,0
    lis     r9,new_order@ha
    ld      r5,new_order@l(r9)
    bl      make_call
    cmpdi   r3,H_PTEG_FULL
    bne     2f
    # What was prepared is given up.
    li      r3,0x36c
    li      r4,0
    li      r5,0
    bl      make_call
    b       3f
2:  mr      r5,r3
    lis     r3,found_commit@ha
    addi    r3,r3,found_commit@l
    bl      expect_success_of_all
    lis     r9,new_order@ha
    ld      r4,new_order@l(r9)
    lis     r9,table_order@ha
    std     r4,table_order@l(r9)
    li      r4,1
    lis     r9,was_resized@ha
    stw     r4,was_resized@l(r9)
    ld      r4,RESIZES(r29)
    addi    r4,r4,1
    std     r4,RESIZES(r29)
3:  sync
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The page of the record r27, which was there before the meeting. r24 is not zero if the table is another.
meet_again:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    # What was stored before counts.
    bl      look_at_mark
    bl      expect_mark_of_rights
    cmpdi   r24,0
    beq     2f
    ld      r4,FIRST(r27)
    andi.   r4,r4,BOLTED
    bne     1f
    bl      close_frame
    li      r3,GONE
    bl      publish
    b       3f
1:  bl      find_page
2:  bl      publish_rights
3:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# H_READ of all slots of the group until the page's entry is there: its INDEX. r25 = doubleword 0.
find_page:
    mflr    r0
    std     r0,16(r1)
    std     r24,-8(r1)
    stdu    r1,-96(r1)
    ld      r25,FIRST(r27)
    li      r24,0
1:  bl      group_of
    add     r5,r5,r24
    std     r5,32(r1)
    li      r3,0xc
    li      r4,0
    bl      make_call
    std     r4,40(r1)
    std     r5,48(r1)
    mr      r5,r3
    lis     r3,found_read@ha
    addi    r3,r3,found_read@l
    bl      expect_success
    ld      r4,40(r1)
    xor     r4,r4,r25
    li      r5,0x60
    andc.   r4,r4,r5
    beq     2f
    addi    r24,r24,1
    cmpdi   r24,8
    blt     1b
    mr      r4,r25
    ld      r5,40(r1)
    lis     r3,found_not_moved@ha
    addi    r3,r3,found_not_moved@l
    ld      r6,ID(r27)
    b       finding
2:  ld      r4,32(r1)
    std     r4,INDEX(r27)
    ld      r4,40(r1)
    ld      r5,48(r1)
    bl      compare_entry
    # C comes along.
    li      r4,0
    ld      r3,48(r1)
    bl      judge_marks
    addi    r1,r1,96
    ld      r24,-8(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr
