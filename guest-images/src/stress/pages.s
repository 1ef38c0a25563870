# What becomes of one page of this processor's: r26 = its index, r27 = its record. Whoever changes an entry says so before the call
# (`begin_change`), and how it is after it (`publish`): between the two others may find it either way.

# H_ENTER of a page that is not there, at its other frame; r24 = PP, 2 or 3. Sometimes there is no room: then it is as it was.
enter_page:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      next_random
    bl      other_frame
    bl      inspect_frame
    bl      begin_change
    # What the frame says from now on: the page, and the number of this change.
    ld      r4,STATE(r27)
    sldi    r4,r4,16
    ld      r5,ID(r27)
    or      r4,r4,r5
    std     r4,TAG(r27)
    ld      r5,FRAME(r27)
    std     r4,TAG_AT(r5)
    bl      write_code
    li      r6,OPEN
    cmpdi   r24,2
    beq     1f
    li      r6,CLOSED
1:  std     r6,MARK_AT(r5)
    sync
    lis     r9,in_second@ha
    ld      r4,in_second@l(r9)
    or      r4,r4,r5
    or      r4,r4,r24
    # Planted: the frame of the neighbour.
    lis     r9,plant@ha
    ld      r9,plant@l(r9)
    cmpdi   r9,PLANT_FOREIGN
    bne     8f
    lis     r9,base_shift@ha
    ld      r9,base_shift@l(r9)
    addi    r9,r9,2
    li      r8,1
    sld     r8,r8,r9
    xor     r4,r4,r8
8:  std     r4,SECOND(r27)
    li      r4,0
    std     r4,FLAGS(r27)
    # One in four, or one in two where the table is resized, is bolted.
    ld      r25,BASE_V(r27)
    lis     r9,resizes@ha
    ld      r5,resizes@l(r9)
    li      r4,3
    cmpdi   r5,0
    beq     2f
    li      r4,1
2:  srdi    r5,r28,40
    and.    r5,r5,r4
    bne     3f
    ori     r25,r25,BOLTED
3:  # Where its owner wants it to be, if it does.
    ld      r6,WANTED_SLOT(r29)
    cmpdi   r6,0
    addi    r6,r6,-1
    li      r4,1
    sldi    r4,r4,39
    bne     9f
    srdi    r5,r28,44
    andi.   r5,r5,1
    beq     4f
    ori     r25,r25,SECONDARY
4:  # One in four exactly into a slot.
    li      r4,0
    bl      group_of
    srdi    r6,r28,48
    andi.   r6,r6,3
    bne     5f
    li      r4,1
    sldi    r4,r4,39
    srdi    r6,r28,52
    andi.   r6,r6,7
    add     r5,r5,r6
    b       5f
9:  mr      r24,r6
    bl      group_of
    add     r5,r5,r24
5:  bl      try_to_enter
    beq     6f
    # The other group of the two that the page has, somewhere.
    xori    r25,r25,SECONDARY
    li      r4,0
    bl      group_of
    bl      try_to_enter
    beq     6f
    # Nobody had it.
    bl      close_frame
    li      r3,GONE
    bl      publish
    b       7f
6:  std     r25,FIRST(r27)
    std     r4,INDEX(r27)
    bl      publish_rights
7:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The first slot of the group for doubleword 0 in r25: r5. Changes r6 to r9.
group_of:
    ld      r5,NUMBER(r27)
    addi    r6,r30,FIRST_VSID
    xor     r5,r5,r6
    lis     r9,segment_shift@ha
    ld      r9,segment_shift@l(r9)
    cmpdi   r9,40
    bne     2f
    sldi    r6,r6,25
    xor     r5,r5,r6
2:  andi.   r6,r25,SECONDARY
    beq     1f
    not     r5,r5
1:  lis     r9,table_order@ha
    ld      r9,table_order@l(r9)
    # 128 bytes a group.
    addi    r9,r9,-7
    li      r6,1
    sld     r6,r6,r9
    addi    r6,r6,-1
    and     r5,r5,r6
    sldi    r5,r5,3
    blr

# H_ENTER with the flags r4 at r5 of doubleword 0 in r25: cr0 is eq if it is there, and r4 where.
try_to_enter:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    std     r4,32(r1)
    std     r5,40(r1)
    mr      r6,r25
    ld      r7,SECOND(r27)
    li      r3,8
    bl      make_call
    cmpdi   r3,H_PTEG_FULL
    beq     3f
    std     r4,48(r1)
    mr      r5,r3
    lis     r3,found_enter@ha
    addi    r3,r3,found_enter@l
    bl      expect_success
    # In the group, and if exactly, there.
    ld      r5,48(r1)
    ld      r4,40(r1)
    ld      r7,32(r1)
    xor     r6,r4,r5
    cmpdi   r7,0
    bne     2f
    clrrdi  r6,r6,3
2:  cmpdi   r6,0
    lis     r3,found_slot@ha
    addi    r3,r3,found_slot@l
    ld      r6,ID(r27)
    bne     finding
    mr      r4,r5
    b       4f
3:  cmpdi   r3,0
4:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# A status, r5, that must be H_SUCCESS; r3 says of what.
expect_success:
    li      r4,0
# Or that must be r4.
expect_status:
    cmpd    r4,r5
    beqlr
    ld      r6,ID(r27)
    b       finding

# H_REMOVE of a page that is there.
remove_page:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      begin_change
    bl      remove_changing
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The same once `begin_change` has been called.
remove_changing:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    # Planted: it stays, but one time in 64.
    lis     r9,plant@ha
    ld      r9,plant@l(r9)
    cmpdi   r9,PLANT_STALE
    bne     1f
    srdi    r4,r28,8
    andi.   r4,r4,63
    bne     1f
    li      r3,MAY_C
    std     r3,FLAGS(r27)
    li      r3,R+C
    b       2f
1:  li      r3,4
    li      r4,1
    sldi    r4,r4,31
    ld      r5,INDEX(r27)
    ld      r6,FIRST(r27)
    clrrdi  r6,r6,7
    bl      make_call
    std     r4,32(r1)
    std     r5,40(r1)
    mr      r5,r3
    lis     r3,found_remove@ha
    addi    r3,r3,found_remove@l
    bl      expect_success
    ld      r4,32(r1)
    ld      r5,40(r1)
    bl      compare_entry
    ld      r3,40(r1)
2:  bl      page_is_gone
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The doublewords r4 and r5 that a call returned are those of the page, but for R and C, and for two bits that are the hypervisor's.
compare_entry:
    ld      r7,FIRST(r27)
    xor     r8,r4,r7
    li      r9,0x60
    andc.   r8,r8,r9
    bne     1f
# The doubleword r5 alone.
compare_second:
    ld      r7,SECOND(r27)
    xor     r8,r5,r7
    li      r9,R+C
    andc.   r8,r8,r9
    beqlr
    mr      r4,r7
    lis     r3,found_second@ha
    addi    r3,r3,found_second@l
    ld      r6,ID(r27)
    b       finding
1:  mr      r5,r4
    mr      r4,r7
    lis     r3,found_first@ha
    addi    r3,r3,found_first@l
    ld      r6,ID(r27)
    b       finding

# FLAGS has MUST_C if somebody has stored to the page; r4 = what the mark is. Whether it may be so is looked at, too.
look_at_mark:
    ld      r5,FRAME(r27)
    ld      r4,MARK_AT(r5)
    cmpdi   r4,OPEN
    beqlr
    cmpdi   r4,CLOSED
    beqlr
    # Whoever stores says where it means to.
    ld      r6,ID(r27)
    clrldi  r5,r4,48
    cmpd    r5,r6
    bne     1f
    ld      r5,FLAGS(r27)
    ori     r5,r5,MUST_C
    std     r5,FLAGS(r27)
    blr
1:  mr      r5,r4
    mr      r4,r6
    lis     r3,found_foreign_store@ha
    addi    r3,r3,found_foreign_store@l
    b       finding

# R and C as a call returned them in r3 are set if they have to be, R if r4 is not zero; and C is not without a store if exactness was
# asked for.
judge_marks:
    mr      r7,r4
    # Planted: C or R is lost.
    lis     r9,plant@ha
    ld      r9,plant@l(r9)
    cmpdi   r9,PLANT_LOST_C
    bne     1f
    clrldi  r5,r3,57
    clrrdi  r3,r3,8
    or      r3,r3,r5
1:  cmpdi   r9,PLANT_LOST_R
    bne     2f
    clrldi  r3,r3,56
2:  andi.   r5,r3,R+C
    ld      r8,FLAGS(r27)
    andi.   r4,r8,MUST_C
    bne     3f
    andi.   r4,r5,C
    beq     4f
    andi.   r4,r8,MAY_C
    bne     4f
    lis     r9,is_exact@ha
    ld      r9,is_exact@l(r9)
    cmpdi   r9,0
    beq     4f
    lis     r3,found_idle_c@ha
    addi    r3,r3,found_idle_c@l
    li      r4,0
    b       5f
3:  andi.   r4,r5,C
    bne     4f
    lis     r3,found_lost_c@ha
    addi    r3,r3,found_lost_c@l
    li      r4,C
    b       5f
4:  cmpdi   r7,0
    beqlr
    andi.   r4,r5,R
    bnelr
    lis     r3,found_lost_r@ha
    addi    r3,r3,found_lost_r@l
    li      r4,R
5:  ld      r6,ID(r27)
    b       finding

# Whether somebody has used the page since it was changed, up to the change that is on: r4.
was_used:
    ld      r4,SEEN(r27)
    ld      r5,LAST(r27)
    xor     r4,r4,r5
    cntlzd  r4,r4
    srdi    r4,r4,6
    blr

# The page has been removed, and R and C came back in r3.
page_is_gone:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    std     r3,32(r1)
    bl      look_at_mark
    bl      expect_mark_of_rights
    bl      was_used
    ld      r3,32(r1)
    bl      judge_marks
    bl      close_frame
    li      r3,GONE
    bl      publish
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The mark r4 is closed if the page was read-only, or somebody has stored there nevertheless.
expect_mark_of_rights:
    ld      r5,SECOND(r27)
    andi.   r5,r5,1
    beqlr
    mr      r5,r4
    li      r4,CLOSED
    cmpd    r4,r5
    beqlr
    lis     r3,found_store_after@ha
    addi    r3,r3,found_store_after@l
    ld      r6,ID(r27)
    b       finding

# H_PROTECT of a page that is there: r24 = PP, 2 or 3.
protect_page:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      begin_change
    bl      look_at_mark
    bl      expect_mark_of_rights
    cmpdi   r24,2
    bne     1f
    # Stores may come as soon as it is done.
    ld      r4,SECOND(r27)
    andi.   r4,r4,1
    beq     1f
    li      r4,OPEN
    ld      r5,FRAME(r27)
    std     r4,MARK_AT(r5)
    sync
1:  li      r3,0x18
    li      r4,1
    sldi    r4,r4,31
    or      r4,r4,r24
    ld      r5,INDEX(r27)
    ld      r6,FIRST(r27)
    clrrdi  r6,r6,7
    bl      make_call
    mr      r5,r3
    lis     r3,found_protect@ha
    addi    r3,r3,found_protect@l
    bl      expect_success
    ld      r4,SECOND(r27)
    clrrdi  r4,r4,2
    or      r4,r4,r24
    std     r4,SECOND(r27)
    cmpdi   r24,3
    bne     2f
    # Nobody stores any more.
    bl      look_at_mark
    li      r4,CLOSED
    ld      r5,FRAME(r27)
    std     r4,MARK_AT(r5)
    sync
2:  bl      publish_rights
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# H_CLEAR_REF or H_CLEAR_MOD, r24, of a page that is there.
clear_page:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      begin_change
    # What has been stored until now is in C.
    bl      look_at_mark
    cmpdi   r24,0x10
    bne     2f
    bl      open_mark
2:  mr      r3,r24
    li      r4,0
    ld      r5,INDEX(r27)
    bl      make_call
    std     r4,32(r1)
    # Not every machine has it.
    lis     r9,is_exact@ha
    ld      r9,is_exact@l(r9)
    cmpdi   r9,0
    bne     3f
    cmpdi   r3,H_FUNCTION
    beq     1f
3:  mr      r5,r3
    lis     r3,found_clear@ha
    addi    r3,r3,found_clear@l
    bl      expect_success
    ld      r5,32(r1)
    bl      compare_second
    # A store since the look may be in it.
    ld      r8,FLAGS(r27)
    std     r8,40(r1)
    ori     r8,r8,MAY_C
    std     r8,FLAGS(r27)
    bl      was_used
    ld      r3,32(r1)
    bl      judge_marks
    ld      r8,40(r1)
    std     r8,FLAGS(r27)
    cmpdi   r24,0x10
    bne     1f
    # C is gone. If somebody has stored since the mark was opened, it may have been for the old C or for the new one. If nobody has, the mark
    # stays as it is: from here on a store is for the new one.
    li      r8,0
    std     r8,FLAGS(r27)
    ld      r5,FRAME(r27)
    ld      r4,MARK_AT(r5)
    cmpdi   r4,OPEN
    beq     1f
    cmpdi   r4,CLOSED
    beq     1f
    li      r8,MAY_C
    std     r8,FLAGS(r27)
    bl      open_mark
1:  bl      publish_rights
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# From now on a store is seen, if there may be one.
open_mark:
    ld      r4,SECOND(r27)
    andi.   r4,r4,1
    bnelr
    li      r4,OPEN
    ld      r5,FRAME(r27)
    std     r4,MARK_AT(r5)
    sync
    blr

# H_READ of a page that is there, which others go on using.
read_page:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-96(r1)
    bl      look_at_mark
    # What is seen later need not be in it.
    ld      r4,STATE(r27)
    std     r4,LAST(r27)
    bl      was_used
    std     r4,40(r1)
    li      r3,0xc
    li      r4,0
    ld      r5,INDEX(r27)
    bl      make_call
    std     r4,48(r1)
    std     r5,56(r1)
    mr      r5,r3
    lis     r3,found_read@ha
    addi    r3,r3,found_read@l
    bl      expect_success
    ld      r4,48(r1)
    ld      r5,56(r1)
    bl      compare_entry
    ld      r8,FLAGS(r27)
    std     r8,48(r1)
    ori     r8,r8,MAY_C
    std     r8,FLAGS(r27)
    ld      r3,56(r1)
    ld      r4,40(r1)
    bl      judge_marks
    ld      r8,48(r1)
    std     r8,FLAGS(r27)
    addi    r1,r1,96
    ld      r0,16(r1)
    mtlr    r0
    blr
