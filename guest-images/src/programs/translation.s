# A program that runs with translation: its own memory where it is, and a segment for pages whose entries it chooses.

# Where that segment is: where a hypervisor may have something of its own, were it a real address. Its first eight pages have a group each, one behind the other.
.equ TOUCHED,1<<46
.equ TOUCHED_VSID,0x300
.equ OWN_VSID,0x99
# Doubleword 0 of each of those pages, which differ only below the AVPN.
.equ TOUCHED_V,(TOUCHED_VSID<<12)+1
# Index of the first page's first slot; as tables have at least 2048 groups, it is the same in all.
.equ SLOT,TOUCHED_VSID<<3
.equ MSR_IR_DR,0x30

# Enters the pages of the program, and the areas of the processors, where they are.
map_program:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r3,BASE@ha
    lis     r4,program_end@ha
    addi    r4,r4,program_end@l
    bl      map_own
    lis     r3,AREAS@ha
    addi    r3,r3,AREAS@l
    lis     r4,processor_count@ha
    ld      r4,processor_count@l(r4)
    sldi    r4,r4,AREA_SHIFT
    add     r4,r4,r3
    bl      map_own
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Enters the pages of 4 KiB from r3 up to r4, bolted, below 8 MiB.
map_own:
    std     r3,-8(r1)
    std     r4,-16(r1)
1:  lis     r9,table_order@ha
    ld      r9,table_order@l(r9)
    # 128 bytes a group.
    addi    r9,r9,-7
    li      r10,1
    sld     r10,r10,r9
    addi    r10,r10,-1
    srdi    r5,r3,12
    xori    r5,r5,OWN_VSID
    and     r5,r5,r10
    sldi    r5,r5,3
    lis     r6,OWN_VSID>>4
    ori     r6,r6,((OWN_VSID&15)<<12)+0x11
    ori     r7,r3,0x12
    li      r3,8
    li      r4,0
    sc      1
    cmpdi   r3,0
    bne     refused
    ld      r3,-8(r1)
    addi    r3,r3,4096
    std     r3,-8(r1)
    ld      r4,-16(r1)
    cmpld   r3,r4
    blt     1b
    blr

# A hypercall that must succeed answered r3.
refused:
    mr      r5,r3
    li      r4,0
    lis     r3,text_refused@ha
    addi    r3,r3,text_refused@l
    b       abandon

# Gives this processor both segments, and turns translation on.
translate:
    li      r3,OWN_VSID
    sldi    r3,r3,12
    lis     r4,0x800
    slbmte  r3,r4
    li      r3,TOUCHED_VSID
    sldi    r3,r3,12
    li      r4,TOUCHED>>32
    sldi    r4,r4,32
    oris    r4,r4,0x800
    ori     r4,r4,1
    slbmte  r3,r4
    isync
    mfmsr   r3
    ori     r3,r3,MSR_IR_DR
    mtmsrd  r3
    isync
    blr

# Turns it off again.
translate_no_more:
    mfmsr   r3
    ori     r3,r3,MSR_IR_DR
    xori    r3,r3,MSR_IR_DR
    mtmsrd  r3
    isync
    blr

text_refused:
    .asciz  "status of a hypercall that must succeed"
    .balign 4
