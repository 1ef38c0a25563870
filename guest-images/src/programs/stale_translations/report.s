# What the tries came to.

# `stale-translations: tries N stale S lost-r A lost-c B corrupted D`, after how many of them were of use.
report:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r3,text_report@ha
    addi    r3,r3,text_report@l
    ld      r4,TOUCHED_TRIES(r22)
    bl      put_count
    lis     r3,text_stored@ha
    addi    r3,r3,text_stored@l
    ld      r4,STORED_TRIES(r22)
    bl      put_count
    lis     r3,text_protected@ha
    addi    r3,r3,text_protected@l
    ld      r4,PROTECTED_TRIES(r22)
    bl      put_count
    bl      end_line
    lis     r3,text_of_tries@ha
    addi    r3,r3,text_of_tries@l
    lis     r4,tries@ha
    ld      r4,tries@l(r4)
    bl      put_count
    lis     r3,text_stale@ha
    addi    r3,r3,text_stale@l
    ld      r4,STALE(r22)
    bl      put_count
    lis     r3,text_lost_r@ha
    addi    r3,r3,text_lost_r@l
    ld      r4,LOST_R(r22)
    bl      put_count
    lis     r3,text_lost_c@ha
    addi    r3,r3,text_lost_c@l
    ld      r4,LOST_C(r22)
    bl      put_count
    lis     r3,text_corrupted@ha
    addi    r3,r3,text_corrupted@l
    ld      r4,CORRUPTED(r22)
    bl      put_count
    bl      end_line
    lis     r3,found_stale@ha
    addi    r3,r3,found_stale@l
    ld      r5,STALE(r22)
    bl      expect_none
    lis     r3,found_lost_r@ha
    addi    r3,r3,found_lost_r@l
    ld      r5,LOST_R(r22)
    bl      expect_none
    lis     r3,found_lost_c@ha
    addi    r3,r3,found_lost_c@l
    ld      r5,LOST_C(r22)
    bl      expect_none
    lis     r3,found_corrupted@ha
    addi    r3,r3,found_corrupted@l
    ld      r5,CORRUPTED(r22)
    bl      expect_none
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

expect_none:
    li      r4,0
    b       expect

text_report:
    .asciz  "stale-translations: touched "
text_stored:
    .asciz  " stored "
text_protected:
    .asciz  " protected "
text_of_tries:
    .asciz  "stale-translations: tries "
text_stale:
    .asciz  " stale "
text_lost_r:
    .asciz  " lost-r "
text_lost_c:
    .asciz  " lost-c "
text_corrupted:
    .asciz  " corrupted "
found_stale:
    .asciz  "number of tries with something stale"
found_lost_r:
    .asciz  "number of tries that lost R"
found_lost_c:
    .asciz  "number of tries that lost C"
found_corrupted:
    .asciz  "number of tries with a corrupted entry"
    .balign 4
