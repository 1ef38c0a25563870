# Goes through the cases of a table: each begins with nothing entered and no segment, and says one line by itself.
#
# A case is the address of its name, a number of steps, and the steps. A step is the addresses of what it is called and of
# its routine, how many arguments it has and how much is to be looked at, two doublewords for each argument, six for each look. An operand is
# the address of a doubleword in memory or zero, and a number to add to it.

.equ LOOK_EXPECT,0
.equ LOOK_SKIP,1
.equ LOOK_SAVE,2

# Groups at each end of the table that cases use, and entries of them.
.equ OWN_ENTRIES,16*8

# r14 = the next case in the table, r15 = how many are left, r16 = place in the case, r17 = its name.
main:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-128(r1)
    lis     r3,case_stack@ha
    std     r1,case_stack@l(r3)
    bl      find_machine
    lis     r3,text_from@ha
    addi    r3,r3,text_from@l
    li      r4,0
    bl      argument
    lis     r14,cases@ha
    addi    r14,r14,cases@l
    ld      r15,0(r14)
    addi    r14,r14,8
    cmpld   r3,r15
    ble     1f
    mr      r3,r15
1:  subf    r15,r3,r15
    sldi    r3,r3,3
    add     r14,r14,r3
next_case:
    cmpdi   r15,0
    beq     no_more_cases
    addi    r15,r15,-1
    ld      r16,0(r14)
    addi    r14,r14,8
    ld      r17,0(r16)
    bl      clean
    b       do_case

no_more_cases:
    addi    r1,r1,128
    ld      r0,16(r1)
    mtlr    r0
    blr

# r18 = steps left, r19 = the step's number, r20 = what it is called, r21 = routine, r22 = arguments left, r23 = looks
# left, r24 = where an argument goes.
do_case:
    ld      r18,8(r16)
    addi    r16,r16,16
    li      r19,0
next_step:
    cmpdi   r18,0
    beq     case_passes
    addi    r18,r18,-1
    addi    r19,r19,1
    ld      r20,0(r16)
    ld      r21,8(r16)
    ld      r22,16(r16)
    ld      r23,24(r16)
    addi    r16,r16,32
    lis     r24,registers@ha
    addi    r24,r24,registers@l
1:  cmpdi   r22,0
    beq     2f
    addi    r22,r22,-1
    bl      operand
    std     r3,0(r24)
    addi    r24,r24,8
    b       1b
2:  mtctr   r21
    lis     r12,registers@ha
    addi    r12,r12,registers@l
    ld      r3,0(r12)
    ld      r4,8(r12)
    ld      r5,16(r12)
    ld      r6,24(r12)
    ld      r7,32(r12)
    ld      r8,40(r12)
    ld      r9,48(r12)
    ld      r10,56(r12)
    ld      r11,64(r12)
    ld      r12,72(r12)
    bctrl
    # r12 goes round by r0.
    mr      r0,r12
    lis     r12,registers@ha
    addi    r12,r12,registers@l
    std     r3,0(r12)
    std     r4,8(r12)
    std     r5,16(r12)
    std     r6,24(r12)
    std     r7,32(r12)
    std     r8,40(r12)
    std     r9,48(r12)
    std     r10,56(r12)
    std     r11,64(r12)
    std     r0,72(r12)

# A look: its kind, the register's place behind r3's in bytes, mask, value. r25 = kind, r26 = register, r27 = what it holds, r28 = mask.
next_look:
    cmpdi   r23,0
    beq     next_step
    addi    r23,r23,-1
    ld      r25,0(r16)
    ld      r26,8(r16)
    addi    r16,r16,16
    lis     r4,registers@ha
    addi    r4,r4,registers@l
    ldx     r27,r4,r26
    bl      operand
    mr      r28,r3
    bl      operand
    cmpdi   r25,LOOK_SAVE
    bne     1f
    std     r27,0(r3)
    b       next_look
1:  and     r27,r27,r28
    and     r3,r3,r28
    cmpdi   r25,LOOK_SKIP
    beq     2f
    cmpd    r3,r27
    beq     next_look
    mr      r4,r3
    mr      r5,r27
    srdi    r26,r26,3
    sldi    r26,r26,2
    lis     r3,text_r3@ha
    addi    r3,r3,text_r3@l
    add     r3,r3,r26
    b       case_fails
2:  cmpd    r3,r27
    bne     next_look
    # What the machine has not.
    bl      say_case
    lis     r3,text_skip@ha
    addi    r3,r3,text_skip@l
    bl      put_text
    mr      r3,r20
    bl      put_text
    bl      end_line
    b       next_case

# The operand at r16, and past it: r3.
operand:
    ld      r4,0(r16)
    ld      r3,8(r16)
    addi    r16,r16,16
    cmpdi   r4,0
    beqlr
    ld      r4,0(r4)
    add     r3,r3,r4
    blr

case_passes:
    bl      say_case
    lis     r3,text_case_pass@ha
    addi    r3,r3,text_case_pass@l
    bl      put_text
    bl      end_line
    b       next_case

# What (r3) was expected to be r4 and was r5.
case_fails:
    lis     r9,first_failure@ha
    addi    r9,r9,first_failure@l
    ld      r10,0(r9)
    cmpdi   r10,0
    bne     1f
    std     r3,0(r9)
    std     r4,8(r9)
    std     r5,16(r9)
    std     r17,24(r9)
1:  mr      r25,r3
    mr      r26,r4
    mr      r27,r5
    bl      say_case
    lis     r3,text_case_fail@ha
    addi    r3,r3,text_case_fail@l
    mr      r4,r19
    bl      put_count
    lis     r3,text_open@ha
    addi    r3,r3,text_open@l
    bl      put_text
    mr      r3,r20
    bl      put_text
    lis     r3,text_close@ha
    addi    r3,r3,text_close@l
    bl      put_text
    mr      r3,r25
    mr      r4,r26
    mr      r5,r27
    li      r6,0
    bl      describe
    b       next_case

# How the case's line begins.
say_case:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r3,text_case@ha
    addi    r3,r3,text_case@l
    bl      put_text
    mr      r3,r17
    bl      put_text
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The size of the table, and the interrupts, which all come here but the decrementer's.
find_machine:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r3,table_order@ha
    ld      r3,table_order@l(r3)
    lis     r4,first_order@ha
    std     r3,first_order@l(r4)
    bl      set_order
    li      r3,0x100
2:  cmpdi   r3,0x900
    beq     3f
    cmpdi   r3,0x980
    beq     3f
    lis     r4,interrupted@ha
    addi    r4,r4,interrupted@l
    bl      set_handler
3:  addi    r3,r3,0x80
    cmpdi   r3,0x1000
    blt     2b
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The table has 2^r3 bytes.
set_order:
    lis     r4,table_order@ha
    std     r3,table_order@l(r4)
    addi    r3,r3,-4
    li      r4,1
    sld     r4,r4,r3
    lis     r3,table_entries@ha
    std     r4,table_entries@l(r3)
    blr

# An interrupt ends a probe if there is one, and else the case.
interrupted:
    lis     r4,is_probing@ha
    ld      r5,is_probing@l(r4)
    cmpdi   r5,0
    bne     probed
    lis     r4,case_is_interrupted@ha
    addi    r4,r4,case_is_interrupted@l
    std     r4,AREA_SRR0(r13)
    mfmsr   r4
    std     r4,AREA_SRR1(r13)
    lis     r4,case_stack@ha
    ld      r4,case_stack@l(r4)
    std     r4,AREA_GPR0+1*8(r13)
    blr
case_is_interrupted:
    ld      r5,AREA_VECTOR(r13)
    li      r4,0
    lis     r3,text_interrupt@ha
    addi    r3,r3,text_interrupt@l
    b       case_fails

# Takes away what a case before has left: a table that is being prepared or of another size, entries, segments.
clean:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r4,is_resizing@ha
    ld      r5,is_resizing@l(r4)
    cmpdi   r5,0
    beq     1f
    li      r5,0
    std     r5,is_resizing@l(r4)
    li      r3,0x36c
    li      r4,0
    li      r5,0
    sc      1
    lis     r3,table_order@ha
    ld      r3,table_order@l(r3)
    lis     r4,first_order@ha
    ld      r4,first_order@l(r4)
    cmpd    r3,r4
    beq     1f
    mr      r3,r4
    bl      prepare_table
    li      r3,0
    lis     r4,first_order@ha
    ld      r4,first_order@l(r4)
    bl      commit_table
1:  li      r3,0
    bl      remove_entries
    lis     r3,table_entries@ha
    ld      r3,table_entries@l(r3)
    addi    r3,r3,-OWN_ENTRIES
    bl      remove_entries
    isync
    slbia   0
    isync
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Removes the valid ones of OWN_ENTRIES entries from r3 on: H_READ of four, H_REMOVE.
remove_entries:
    std     r3,-8(r1)
    addi    r3,r3,OWN_ENTRIES
    std     r3,-16(r1)
1:  li      r3,0xc
    li      r4,1
    sldi    r4,r4,37
    ld      r5,-8(r1)
    sc      1
    std     r6,-24(r1)
    std     r8,-32(r1)
    std     r10,-40(r1)
    andi.   r4,r4,1
    beq     2f
    li      r3,4
    li      r4,0
    ld      r5,-8(r1)
    li      r6,0
    sc      1
2:  ld      r4,-24(r1)
    andi.   r4,r4,1
    beq     3f
    li      r3,4
    li      r4,0
    ld      r5,-8(r1)
    addi    r5,r5,1
    li      r6,0
    sc      1
3:  ld      r4,-32(r1)
    andi.   r4,r4,1
    beq     4f
    li      r3,4
    li      r4,0
    ld      r5,-8(r1)
    addi    r5,r5,2
    li      r6,0
    sc      1
4:  ld      r4,-40(r1)
    andi.   r4,r4,1
    beq     5f
    li      r3,4
    li      r4,0
    ld      r5,-8(r1)
    addi    r5,r5,3
    li      r6,0
    sc      1
5:  ld      r3,-8(r1)
    addi    r3,r3,4
    std     r3,-8(r1)
    ld      r4,-16(r1)
    cmpld   r3,r4
    blt     1b
    blr

    .balign 8
# How many entries the table has.
table_entries:
    .quad   0
# log2 of its bytes at first.
first_order:
    .quad   0
# Not zero while an interrupt is what is waited for.
is_probing:
    .quad   0
# Not zero if a new table may be being prepared.
is_resizing:
    .quad   0
# The stack of `main`.
case_stack:
    .quad   0
# r3 to r12 before and after a routine.
registers:
    .space  80
# For cases.
saved:
    .quad   0
saved_2:
    .quad   0
text_case:
    .asciz  "CASE "
text_case_pass:
    .asciz  ": pass"
text_case_fail:
    .asciz  ": fail: step "
text_skip:
    .asciz  ": skip: "
text_open:
    .asciz  " ("
text_close:
    .asciz  "): "
text_interrupt:
    .asciz  "interrupt"
text_from:
    .asciz  "from="
    .balign 4
# Four bytes each.
text_r3:
    .asciz  "r3"
    .balign 4
    .asciz  "r4"
    .balign 4
    .asciz  "r5"
    .balign 4
    .asciz  "r6"
    .balign 4
    .asciz  "r7"
    .balign 4
    .asciz  "r8"
    .balign 4
    .asciz  "r9"
    .balign 4
    .asciz  "r10"
    .balign 4
    .asciz  "r11"
    .balign 4
    .asciz  "r12"
    .balign 4
