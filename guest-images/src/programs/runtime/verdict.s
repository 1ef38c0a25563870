# What a program found, and its last line.

# Before anything else: which program this is.
announce:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r3,text_program@ha
    addi    r3,r3,text_program@l
    bl      put_text
    lis     r3,program_name@ha
    addi    r3,r3,program_name@l
    bl      put_text
    mfmsr   r4
    andi.   r4,r4,1
    lis     r3,text_big@ha
    addi    r3,r3,text_big@l
    beq     1f
    lis     r3,text_little@ha
    addi    r3,r3,text_little@l
1:  bl      put_text
    bl      end_line
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# If r4 (expected) is not r5 (found), says so with the step and the text at r3, and remembers the first such.
expect:
    cmpd    r4,r5
    beqlr
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-96(r1)
    lis     r9,first_failure@ha
    addi    r9,r9,first_failure@l
    ld      r10,0(r9)
    cmpdi   r10,0
    bne     1f
    std     r3,0(r9)
    std     r4,8(r9)
    std     r5,16(r9)
    lis     r10,step@ha
    ld      r10,step@l(r10)
    std     r10,24(r9)
1:  std     r3,32(r1)
    std     r4,40(r1)
    std     r5,48(r1)
    lis     r3,text_wrong@ha
    addi    r3,r3,text_wrong@l
    bl      put_text
    ld      r3,32(r1)
    ld      r4,40(r1)
    ld      r5,48(r1)
    lis     r6,step@ha
    ld      r6,step@l(r6)
    bl      describe
    addi    r1,r1,96
    ld      r0,16(r1)
    mtlr    r0
    blr

# Puts a line: what (r3), in the step with the text at r6 if there is one, was expected to be r4 and was r5.
describe:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-96(r1)
    std     r3,32(r1)
    std     r4,40(r1)
    std     r5,48(r1)
    cmpdi   r6,0
    beq     1f
    mr      r3,r6
    bl      put_text
    lis     r3,text_colon@ha
    addi    r3,r3,text_colon@l
    bl      put_text
1:  ld      r3,32(r1)
    bl      put_text
    lis     r3,text_expected@ha
    addi    r3,r3,text_expected@l
    bl      put_text
    ld      r3,40(r1)
    bl      put_hex
    lis     r3,text_got@ha
    addi    r3,r3,text_got@l
    bl      put_text
    ld      r3,48(r1)
    bl      put_hex
    bl      end_line
    addi    r1,r1,96
    ld      r0,16(r1)
    mtlr    r0
    blr

# Ends the program at once: what (r3) was expected to be r4 and was r5, on any processor, in an interrupt or not.
abandon:
    lis     r9,verdict_lock@ha
    addi    r9,r9,verdict_lock@l
1:  lwarx   r10,0,r9
    cmpwi   r10,0
    bne     1b
    li      r10,1
    stwcx.  r10,0,r9
    bne     1b
    isync
    lis     r9,first_failure@ha
    addi    r9,r9,first_failure@l
    std     r3,0(r9)
    std     r4,8(r9)
    std     r5,16(r9)
    lis     r10,step@ha
    ld      r10,step@l(r10)
    std     r10,24(r9)
    # Whatever the first processor has not sent yet would only be in the way.
    lis     r9,console_text@ha
    addi    r9,r9,console_text@l
    li      r10,0
    stb     r10,16(r9)
    lis     r3,text_at@ha
    addi    r3,r3,text_at@l
    bl      describe_place

# Ends the program with its verdict.
finish:
    lis     r3,text_verdict@ha
    addi    r3,r3,text_verdict@l
    bl      put_text
    lis     r3,program_name@ha
    addi    r3,r3,program_name@l
    bl      put_text
    lis     r9,first_failure@ha
    addi    r9,r9,first_failure@l
    ld      r10,0(r9)
    cmpdi   r10,0
    bne     1f
    lis     r3,text_pass@ha
    addi    r3,r3,text_pass@l
    bl      put_text
    bl      end_line
    b       power_off
1:  lis     r3,text_fail@ha
    addi    r3,r3,text_fail@l
    bl      put_text
    lis     r9,first_failure@ha
    addi    r9,r9,first_failure@l
    ld      r3,0(r9)
    ld      r4,8(r9)
    ld      r5,16(r9)
    ld      r6,24(r9)
    bl      describe
    b       power_off

# Puts a line with the processor, and with SRR0 and SRR1 of its last interrupt.
describe_place:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-96(r1)
    bl      put_text
    ld      r3,AREA_INDEX(r13)
    bl      put_decimal
    lis     r3,text_srr0@ha
    addi    r3,r3,text_srr0@l
    bl      put_text
    ld      r3,AREA_SRR0(r13)
    bl      put_hex
    lis     r3,text_srr1@ha
    addi    r3,r3,text_srr1@l
    bl      put_text
    ld      r3,AREA_SRR1(r13)
    bl      put_hex
    bl      end_line
    addi    r1,r1,96
    ld      r0,16(r1)
    mtlr    r0
    blr

    .balign 8
# What the program is doing, as a text; a short program need not say.
step:
    .quad   0
# What, expected, found, in which step; zero as long as all is right.
first_failure:
    .quad   0,0,0,0
# Taken for good by the processor that ends the program.
verdict_lock:
    .long   0
text_program:
    .asciz  "guest program "
text_big:
    .asciz  ", big-endian"
text_little:
    .asciz  ", little-endian"
text_wrong:
    .asciz  "wrong: "
text_expected:
    .asciz  " expected "
text_got:
    .asciz  " got "
text_colon:
    .asciz  ": "
text_at:
    .asciz  "processor "
text_srr0:
    .asciz  ": last interrupt at SRR0 "
text_srr1:
    .asciz  ", SRR1 "
text_verdict:
    .asciz  "VERDICT "
text_pass:
    .asciz  ": pass"
text_fail:
    .asciz  ": fail "
    .balign 4
