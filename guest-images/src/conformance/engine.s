# Goes through the cases of a table: each begins with nothing entered and no segment, and says one line by itself.
#
# A case is the address of its name, a number of steps, how many processors it takes, how many steps others make, and the steps. A step is the addresses of what it is
# called and of its routine, how many arguments it has and how much is to be looked at, who makes it and how much of it, two doublewords for
# each argument, six for each look. An operand is the address of a doubleword in memory or zero, and a number to add to it.

.equ LOOK_EXPECT,0
.equ LOOK_SKIP,1
.equ LOOK_SAVE,2

# Who makes a step: 0 is the first processor, other numbers are others, and this is all others.
.equ OTHERS,-1
# How much of a step is made.
.equ WHOLE,0
.equ BEGINNING,1
.equ END,2

.equ CASE_STEPS,8
.equ CASE_PROCESSORS,16
.equ CASE_OTHERS,24
.equ CASE_BYTES,32

.equ STEP_ROUTINE,8
.equ STEP_ARGUMENTS,16
.equ STEP_LOOKS,24
.equ STEP_WHO,32
.equ STEP_PART,40
.equ STEP_BYTES,48

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

# r18 = steps left, r19 = the step's number, r20 = what it is called, r21 = the step, r22 = arguments left, r23 = looks
# left, r24 = where an argument goes, r29 = whose registers are looked at, r30 = the last whose registers are, r31 = the looks.
do_case:
    ld      r18,CASE_STEPS(r16)
    ld      r4,CASE_PROCESSORS(r16)
    addi    r16,r16,CASE_BYTES
    li      r19,0
    li      r29,0
    lis     r3,processor_count@ha
    ld      r3,processor_count@l(r3)
    cmpd    r3,r4
    blt     too_few_processors
next_step:
    cmpdi   r18,0
    beq     case_passes
    addi    r18,r18,-1
    addi    r19,r19,1
    mr      r21,r16
    ld      r20,0(r21)
    ld      r22,STEP_ARGUMENTS(r21)
    addi    r16,r16,STEP_BYTES
    lis     r24,registers@ha
    addi    r24,r24,registers@l
1:  cmpdi   r22,0
    beq     2f
    addi    r22,r22,-1
    bl      operand
    std     r3,0(r24)
    addi    r24,r24,8
    b       1b
2:  mr      r31,r16
    ld      r23,STEP_LOOKS(r21)
    ld      r29,STEP_WHO(r21)
    mr      r30,r29
    cmpdi   r29,0
    bne     step_of_others
    ld      r3,STEP_ROUTINE(r21)
    mtctr   r3
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
    beq     next_of_others
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

# Another processor makes the step, or all others do.
step_of_others:
    cmpdi   r29,OTHERS
    bne     1f
    li      r29,1
    lis     r30,last_processor@ha
    ld      r30,last_processor@l(r30)
1:  ld      r3,STEP_PART(r21)
    cmpdi   r3,END
    beq     answer_of_another
    mr      r22,r29
2:  mr      r3,r22
    ld      r4,STEP_ROUTINE(r21)
    bl      order
    cmpdi   r3,0
    bne     4f
    addi    r22,r22,1
    cmpd    r22,r30
    ble     2b
    ld      r3,STEP_PART(r21)
    cmpdi   r3,BEGINNING
    beq     next_step
answer_of_another:
    mr      r3,r29
    bl      answer
    cmpdi   r4,0
    bne     5f
    cmpdi   r3,1
    mr      r5,r3
    li      r4,1
    lis     r3,text_answers@ha
    addi    r3,r3,text_answers@l
    bne     case_fails
    mr      r16,r31
    ld      r23,STEP_LOOKS(r21)
    b       next_look
4:  mr      r29,r22
    mr      r5,r3
    li      r4,0
    lis     r3,text_starts@ha
    addi    r3,r3,text_starts@l
    b       case_fails
5:  mr      r5,r4
    li      r4,0
    lis     r3,text_interrupt@ha
    addi    r3,r3,text_interrupt@l
    b       case_fails

# What one processor has answered is as it must be.
next_of_others:
    cmpd    r29,r30
    beq     next_step
    addi    r29,r29,1
    b       answer_of_another

too_few_processors:
    mr      r26,r4
    bl      say_case
    lis     r3,text_skip@ha
    addi    r3,r3,text_skip@l
    bl      put_text
    lis     r3,text_too_few@ha
    addi    r3,r3,text_too_few@l
    mr      r4,r26
    bl      put_count
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
    cmpdi   r29,0
    beq     2f
    lis     r3,text_processor@ha
    addi    r3,r3,text_processor@l
    mr      r4,r29
    bl      put_count
2:  lis     r3,text_close@ha
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
    lis     r3,processor_count@ha
    ld      r3,processor_count@l(r3)
    addi    r3,r3,-1
    lis     r4,last_processor@ha
    std     r3,last_processor@l(r4)
    li      r3,0x900
    lis     r4,count_decrement@ha
    addi    r4,r4,count_decrement@l
    bl      set_handler
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

# The decrementer, whose interrupts somebody may count.
count_decrement:
    ld      r4,AREA_DECREMENTS(r13)
    addi    r4,r4,1
    std     r4,AREA_DECREMENTS(r13)
    b       postpone_decrementer

# An interrupt ends a probe if there is one, and else the case, or what another processor has been told to do.
interrupted:
    ld      r5,AREA_IS_PROBING(r13)
    cmpdi   r5,0
    bne     probed
    ld      r5,AREA_INDEX(r13)
    cmpdi   r5,0
    bne     order_is_interrupted
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
    li      r29,0
    li      r4,0
    lis     r3,text_interrupt@ha
    addi    r3,r3,text_interrupt@l
    b       case_fails

# Takes away, before the case at r16, what a case before has left: other processors at work, a table that is being prepared or of another size, entries, segments.
clean:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    # H_CEDE leaves external interrupts enabled.
    mfmsr   r4
    li      r5,0
    insrdi  r4,r5,1,48
    mtmsrd  r4
    ld      r3,CASE_OTHERS(r16)
    cmpdi   r3,0
    bne     3f
    bl      stop_others
    b       4f
3:  bl      settle_others
4:  lis     r4,has_planted_orders@ha
    ld      r5,has_planted_orders@l(r4)
    cmpdi   r5,0
    beq     2f
    bl      take_orders_away
2:
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
    bl      drop_segments
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
# Number of the last processor.
last_processor:
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
text_processor:
    .asciz  ", processor "
text_too_few:
    .asciz  "there are not as many processors as "
text_answers:
    .asciz  "answers within a minute"
text_starts:
    .asciz  "status of start-cpu"
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
