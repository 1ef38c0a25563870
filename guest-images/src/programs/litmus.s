# See litmus.rs. A test is the addresses of its name and of what looks at a meeting, how many processors it takes, whether the outcome
# is allowed, and the addresses of what they execute.

.equ NAME,0
.equ LOOK,8
.equ TAKES,16
.equ ALLOWED,24
.equ CODE,32
.equ ROUNDS,100

main:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r31,processor_count@ha
    ld      r31,processor_count@l(r31)
    lis     r3,text_rounds@ha
    addi    r3,r3,text_rounds@l
    li      r4,ROUNDS
    bl      argument
    lis     r4,rounds@ha
    std     r3,rounds@l(r4)
    bl      clear
    bl      need_two_processors
    bl      start_all
    bl      work
    bl      wait_until_stopped
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# What every processor does. r27 = random number.
work:
    mftb    r27
    add     r27,r27,r30
    b       run_tests

# All rounds of the test at r26, if there are processors enough. r29 = rounds left, r22 = how many have come to the line by then, r25 = how often the outcome was seen.
run_test:
    ld      r4,TAKES(r26)
    cmpd    r4,r31
    bgtlr
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r29,rounds@ha
    ld      r29,rounds@l(r29)
    li      r25,0
    li      r22,0
    cmpdi   r30,0
    bne     1f
    lis     r4,at_the_line@ha
    stw     r22,at_the_line@l(r4)
1:  cmpdi   r29,0
    ble     4f
    bl      barrier
    ld      r4,TAKES(r26)
    cmpd    r30,r4
    bge     2f
    bl      round
2:  bl      barrier
    cmpdi   r30,0
    bne     3f
    bl      look_at_all
    bl      clear
3:  addi    r29,r29,-1
    b       1b
4:  cmpdi   r30,0
    bne     5f
    ld      r3,NAME(r26)
    ld      r4,ALLOWED(r26)
    cmpdi   r4,0
    bne     6f
    mr      r5,r25
    bl      expect
    b       5f
6:  bl      put_text
    lis     r3,text_seen@ha
    addi    r3,r3,text_seen@l
    mr      r4,r25
    bl      put_count
    bl      end_line
5:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# This processor's part of all meetings, from wherever chance wants it to begin: r24 = meetings left, r28 = the one that comes, r23 = its code.
round:
    mflr    r0
    std     r0,16(r1)
    addi    r4,r26,CODE
    sldi    r5,r30,3
    ldx     r23,r4,r5
    li      r24,MEETINGS
    li      r28,0
    # Behind the barrier one or the other still sleeps: they wait for each other once more, wide awake for a while.
    ld      r4,TAKES(r26)
    add     r22,r22,r4
    lis     r6,at_the_line@ha
    addi    r6,r6,at_the_line@l
5:  lwarx   r4,0,r6
    addi    r4,r4,1
    stwcx.  r4,0,r6
    bne     5b
6:  lis     r5,1
7:  lis     r6,at_the_line@ha
    lwz     r4,at_the_line@l(r6)
    cmpw    r4,r22
    bge     8f
    addi    r5,r5,-1
    cmpdi   r5,0
    bgt     7b
    bl      pause
    b       6b
8:  li      r10,1
    li      r11,2
    # Not all at the same time, and now and then one of them later.
    mulli   r27,r27,25173
    addi    r27,r27,13849
    rldicl  r4,r27,52,58
    addi    r4,r4,1
    mtctr   r4
1:  bdnz    1b
2:  lis     r3,CELLS@ha
    addi    r3,r3,CELLS@l
    sldi    r4,r28,9
    add     r3,r3,r4
    addi    r4,r3,128
    addi    r9,r3,256
    mulli   r27,r27,25173
    addi    r27,r27,13849
    rldicl  r5,r27,51,60
    addi    r5,r5,1
    mtctr   r5
3:  bdnz    3b
    li      r5,0
    li      r6,0
    mtctr   r23
    bctr
# Where each code goes on.
met:
    lis     r7,SEEN@ha
    addi    r7,r7,SEEN@l
    sldi    r8,r28,6
    add     r7,r7,r8
    sldi    r8,r30,4
    add     r7,r7,r8
    std     r5,0(r7)
    std     r6,8(r7)
    addi    r28,r28,1
    addi    r24,r24,-1
    cmpdi   r24,0
    bgt     2b
    ld      r0,16(r1)
    mtlr    r0
    blr

# Counts in r25 the meetings with the outcome.
look_at_all:
    mflr    r0
    std     r0,16(r1)
    lis     r3,CELLS@ha
    addi    r3,r3,CELLS@l
    lis     r4,SEEN@ha
    addi    r4,r4,SEEN@l
    li      r5,MEETINGS
1:  ld      r6,LOOK(r26)
    mtctr   r6
    bctrl
    cmpdi   r8,0
    bne     2f
    addi    r25,r25,1
2:  addi    r3,r3,512
    addi    r4,r4,64
    addi    r5,r5,-1
    cmpdi   r5,0
    bgt     1b
    ld      r0,16(r1)
    mtlr    r0
    blr

# Makes all of it zero.
clear:
    lis     r3,CELLS@ha
    addi    r3,r3,CELLS@l
    li      r4,(512+64)*MEETINGS/128
    mtctr   r4
1:  dcbz    0,r3
    addi    r3,r3,128
    bdnz    1b
    blr

text_seen:
    .asciz  ": "
text_rounds:
    .asciz  "rounds="
    .balign 128
at_the_line:
    .space  128
rounds:
    .quad   0
