# What the steps of cases call: arguments from r3 on, results from r3 on. They may use all registers but r13 to r31.

# Hypercall r3 with arguments from r4 on.
hypercall:
    sc      1
    blr

# Loads a word at r3, with the MSR r4 and instructions as they are.
load:
    mr      r6,r4
    mr      r4,r3
    lis     r3,code_of_accesses@ha
    addi    r3,r3,code_of_accesses@l
    b       probe

# Stores the word r4 at r3, with the MSR r5 and instructions as they are.
store:
    mr      r6,r5
    mr      r5,r4
    mr      r4,r3
    lis     r3,code_of_stores@ha
    addi    r3,r3,code_of_stores@l
    b       probe

# Executes what is at r3, with the MSR r4.
fetch:
    mr      r6,r4

# Runs from r3 on with the MSR r6 (and this program's byte order), r4 = operand, r5 = value, until the next interrupt.
# Returns its vector in r3, SRR0 in r4, SRR1 in r5, DAR in r6, DSISR in r7, and the program's r3 in r8.
probe:
    mflr    r0
    std     r0,16(r1)
    li      r8,1
    std     r8,AREA_IS_PROBING(r13)
    mfmsr   r7
    clrldi  r7,r7,63
    or      r6,r6,r7
    mtsrr0  r3
    mtsrr1  r6
    li      r3,0
    rfid

# In a handler: goes back to who called for the probe.
probed:
    li      r5,0
    std     r5,AREA_IS_PROBING(r13)
    ld      r8,AREA_GPR0+3*8(r13)
    std     r8,AREA_GPR0+8*8(r13)
    ld      r4,AREA_VECTOR(r13)
    std     r4,AREA_GPR0+3*8(r13)
    ld      r4,AREA_SRR0(r13)
    std     r4,AREA_GPR0+4*8(r13)
    ld      r4,AREA_SRR1(r13)
    std     r4,AREA_GPR0+5*8(r13)
    ld      r4,AREA_DAR(r13)
    std     r4,AREA_GPR0+6*8(r13)
    ld      r4,AREA_DSISR(r13)
    std     r4,AREA_GPR0+7*8(r13)
    ld      r4,AREA_GPR0+1*8(r13)
    ld      r4,16(r4)
    std     r4,AREA_SRR0(r13)
    mfmsr   r5
    std     r5,AREA_SRR1(r13)
    blr

# A load at 0, a store at 16, a hypercall at 32, and another one at 48.
    .balign 16
code_of_accesses:
    lwz     r3,0(r4)
    sc      0
    nop
    nop
code_of_stores:
    stw     r5,0(r4)
    sc      0
    nop
    nop
    sc      1
    sc      0
    nop
    nop
    li      r3,0xc
    sc      1
    sc      0
    nop

# Puts those at real address r3.
plant_accesses:
    lis     r4,code_of_accesses@ha
    addi    r4,r4,code_of_accesses@l
    li      r5,8
    mtctr   r5
    mr      r6,r3
1:  ld      r5,0(r4)
    std     r5,0(r6)
    addi    r4,r4,8
    addi    r6,r6,8
    bdnz    1b
    b       synchronize

# Puts code at real address r3 that gives the number r4 in r3 and then ends.
plant:
    lis     r5,planted@ha
    addi    r5,r5,planted@l
    lwz     r6,0(r5)
    or      r6,r6,r4
    stw     r6,0(r3)
    lwz     r6,4(r5)
    stw     r6,4(r3)
synchronize:
    dcbst   0,r3
    sync
    icbi    0,r3
    sync
    isync
    blr
planted:
    li      r3,0
    sc      0

# slbmte of RS r3 and RB r4.
set_segment:
    slbmte  r3,r4
    isync
    blr

# slbie of r3.
drop_segment:
    isync
    slbie   r3
    isync
    blr

# slbia.
drop_segments:
    isync
    slbia   0
    isync
    blr

# The word at real address r3.
peek:
    lwz     r3,0(r3)
    blr

# Stores the word r4 at real address r3.
poke:
    stw     r4,0(r3)
    sync
    blr

# Stores the byte r4 at real address r3.
poke_byte:
    stb     r4,0(r3)
    sync
    blr

# Whether nothing is to be otherwise than the architecture has it: 0 if something may.
read_exact:
    lis     r3,is_exact@ha
    ld      r3,is_exact@l(r3)
    blr

# MSR as the processor has it.
read_msr:
    mfmsr   r3
    blr

# The processor's number in the device tree.
index_of_processor:
    ld      r3,AREA_INDEX(r13)
    blr

read_sprg0:
    mfsprg  r3,0
    blr

# Fills the 4 KiB at r3 with r4.
fill_page:
    li      r5,512
    mtctr   r5
1:  std     r4,0(r3)
    addi    r3,r3,8
    bdnz    1b
    blr

# How many doublewords of the r5 bytes at r3 are not r4.
count_different:
    srdi    r5,r5,3
    mtctr   r5
    mr      r6,r3
    li      r3,0
1:  ld      r7,0(r6)
    cmpd    r7,r4
    beq     2f
    addi    r3,r3,1
2:  addi    r6,r6,8
    bdnz    1b
    blr

# Prepares a table of 2^r3 bytes: asks as long as the answer is one of 9900 to 9905.
prepare_table:
    std     r3,-8(r1)
    lis     r4,is_resizing@ha
    li      r5,1
    std     r5,is_resizing@l(r4)
1:  li      r3,0x36c
    li      r4,0
    ld      r5,-8(r1)
    sc      1
    addi    r4,r3,-9900
    cmpldi  r4,5
    ble     1b
    blr

# H_RESIZE_HPT_COMMIT with flags r3 for a table of 2^r4 bytes. If it succeeds, that is the table from here on.
commit_table:
    mflr    r0
    std     r0,16(r1)
    std     r4,-8(r1)
    mr      r5,r4
    mr      r4,r3
    li      r3,0x370
    sc      1
    cmpdi   r3,0
    bne     1f
    ld      r3,-8(r1)
    bl      set_order
    li      r3,0
1:  ld      r0,16(r1)
    mtlr    r0
    blr

# Half the entries of the table more than r3.
half_the_table_from:
    lis     r4,table_entries@ha
    ld      r4,table_entries@l(r4)
    srdi    r4,r4,1
    add     r3,r3,r4
    blr

# Doubleword 0 r3 but for the bit of its page number that chooses between the halves of the table: for segments of 256 MiB.
other_half:
    lis     r4,table_order@ha
    ld      r4,table_order@l(r4)
    # The highest bit of a group's number, 2^(order-8), and 12 for the place of the segment's number.
    addi    r4,r4,4
    li      r5,1
    sld     r5,r5,r4
    xor     r3,r3,r5
    blr

# H_CEDE with the decrementer set to r3 ticks. It enables external interrupts; they are disabled again. Returns its status in r3, and in r4 whether the
# decrementer has run out by then: 0 or 1.
cede_for:
    mflr    r0
    std     r0,16(r1)
    li      r4,0
    std     r4,AREA_DECREMENTS(r13)
    mtdec   r3
    li      r3,0xe0
    sc      1
    mfmsr   r4
    li      r5,0
    insrdi  r4,r5,1,48
    mtmsrd  r4
    bl      has_run_out
    mr      r4,r9
    ld      r0,16(r1)
    mtlr    r0
    blr

# Whether the decrementer has run out since AREA_DECREMENTS was zeroed, its interrupt taken or not: r9 is 0 or 1. Changes only r9 and r10.
has_run_out:
    mfdec   r9
    extsw   r9,r9
    srdi    r9,r9,63
    ld      r10,AREA_DECREMENTS(r13)
    cmpdi   r10,0
    beqlr
    li      r9,1
    blr

# r3 as it is, for a look at what a cell holds.
same:
    blr

# RTAS: query-cpu-stopped-state of server r3.
query_cpu_stopped_state:
    mr      r6,r3
    lis     r3,token_query_stopped@ha
    ld      r3,token_query_stopped@l(r3)
    li      r4,1
    li      r5,2
    b       rtas

# RTAS: start-cpu of server r3.
start_cpu:
    mr      r6,r3
    lis     r3,token_start_cpu@ha
    ld      r3,token_start_cpu@l(r3)
    li      r4,3
    li      r5,1
    li      r7,0
    li      r8,0
    b       rtas
