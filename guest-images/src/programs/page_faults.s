# Routines that the list of page faults calls, and the page of code that it maps.

# Runs from r3 on with the MSR r6 (and this program's byte order), r4 = operand, r5 = value, until the next interrupt.
# Returns its vector in r3, SRR0 in r4, SRR1 (with this program's byte order as 0) in r5, DAR in r6, DSISR in r7, and the
# program's r3 in r8.
probe:
    mflr    r0
    std     r0,16(r1)
    mfmsr   r7
    clrldi  r7,r7,63
    or      r6,r6,r7
    mtsrr0  r3
    mtsrr1  r6
    li      r3,0
    rfid

# The handler of every interrupt that a probe can end with: goes back to who called it.
probed:
    ld      r8,AREA_GPR0+3*8(r13)
    std     r8,AREA_GPR0+8*8(r13)
    ld      r4,AREA_VECTOR(r13)
    std     r4,AREA_GPR0+3*8(r13)
    ld      r4,AREA_SRR0(r13)
    std     r4,AREA_GPR0+4*8(r13)
    ld      r4,AREA_SRR1(r13)
    mfmsr   r5
    clrldi  r6,r5,63
    xor     r4,r4,r6
    std     r4,AREA_GPR0+5*8(r13)
    ld      r4,AREA_DAR(r13)
    std     r4,AREA_GPR0+6*8(r13)
    ld      r4,AREA_DSISR(r13)
    std     r4,AREA_GPR0+7*8(r13)
    ld      r4,AREA_GPR0+1*8(r13)
    ld      r4,16(r4)
    std     r4,AREA_SRR0(r13)
    std     r5,AREA_SRR1(r13)
    blr

# Makes `probed` the handler for storage and segment interrupts, illegal instructions and system calls. Returns the real
# address of the page of code in r3, and the mask of a PTE group's number in r4.
prepare:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r4,probed@ha
    addi    r4,r4,probed@l
    li      r3,0x300
    bl      set_handler
    li      r3,0x380
    bl      set_handler
    li      r3,0x400
    bl      set_handler
    li      r3,0x480
    bl      set_handler
    li      r3,0x700
    bl      set_handler
    li      r3,0xc00
    bl      set_handler
    lis     r3,is_exact@ha
    ld      r3,is_exact@l(r3)
    cmpdi   r3,0
    bne     1f
    # A load may set C as well.
    li      r4,0
    lis     r3,change_of_loads@ha
    std     r4,change_of_loads@l(r3)
    li      r4,0xfb
    sldi    r4,r4,56
    lis     r3,status_of_loads@ha
    std     r4,status_of_loads@l(r3)
1:
    lis     r5,table_order@ha
    ld      r5,table_order@l(r5)
    # 128 bytes a group.
    addi    r5,r5,-7
    li      r4,1
    sld     r4,r4,r5
    addi    r4,r4,-1
    lis     r3,code_page@ha
    addi    r3,r3,code_page@l
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# H_ENTER of doublewords r4 and r5 into the group of hash r3. Returns what it returns.
enter:
    lis     r6,group_mask@ha
    ld      r6,group_mask@l(r6)
    and     r3,r3,r6
    mr      r6,r4
    mr      r7,r5
    sldi    r5,r3,3
    li      r4,0
    li      r3,8
    sc      1
    blr

# The same with the real address r6 added to doubleword 1.
enter_at:
    add     r5,r5,r6
    b       enter

# A request of H_BULK_REMOVE for the entry r3, without a condition.
make_request:
    li      r4,1
    insrdi  r3,r4,2,0
    blr

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

# AMR r3 and IAMR r4.
set_authority:
    mtspr   29,r3
    mtspr   61,r4
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

# Puts code at real address r3 that gives the number r4 in r3 and then ends.
plant:
    lis     r5,planted@ha
    addi    r5,r5,planted@l
    lwz     r6,0(r5)
    or      r6,r6,r4
    stw     r6,0(r3)
    lwz     r6,4(r5)
    stw     r6,4(r3)
    dcbst   0,r3
    sync
    icbi    0,r3
    sync
    isync
    blr
planted:
    li      r3,0
    sc      0

    .balign 8
# C of an entry that was loaded through, if it counts; of its status byte from H_BULK_REMOVE, the bits that count.
change_of_loads:
    .quad   0x80
status_of_loads:
    .quad   0xff<<56

# The page of code: a load at 0, a store at 0x10.
    .balign 4096
code_page:
    lwz     r3,0(r4)
    sc      0
    nop
    nop
    stw     r5,0(r4)
    sc      0
    .balign 4096
