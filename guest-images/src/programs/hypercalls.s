# Routines that the list of hypercalls calls.

# How many entries the table has: its bytes divided by 16.
count_entries:
    lis     r4,table_order@ha
    ld      r4,table_order@l(r4)
    addi    r4,r4,-4
    li      r3,1
    sld     r3,r3,r4
    blr

# H_SET_MODE of interrupts with translation, and back. A processor may have none: statuses from -511 to -256, for an unsupported
# flag, are taken for success.
translated_interrupts:
    li      r3,0x31c
    li      r4,3
    li      r5,3
    li      r6,0
    li      r7,0
    sc      1
    addi    r4,r3,511
    cmpldi  r4,255
    ble     1f
    cmpdi   r3,0
    bnelr
    li      r3,0x31c
    li      r4,0
    li      r5,3
    li      r6,0
    li      r7,0
    sc      1
    blr
1:  li      r3,0
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

# How many doublewords of the 4 KiB at r3 are not r4.
count_different:
    li      r5,512
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

# A virtual processor area at r3, which says its size: 640 bytes, big-endian at 4.
make_vpa:
    li      r4,2
    stb     r4,4(r3)
    li      r4,0x80
    stb     r4,5(r3)
    blr

# Two orders for tables, the second half as large as the first, which is the table's own, or one more where that is small.
choose_orders:
    lis     r4,table_order@ha
    ld      r3,table_order@l(r4)
    cmpdi   r3,20
    bgt     1f
    addi    r3,r3,1
1:  addi    r4,r3,-1
    blr

# How many entries a table of order r3 has.
entries_of_order:
    addi    r4,r3,-4
    li      r3,1
    sld     r3,r3,r4
    blr

# The r4-th entry of the last 2048 groups of a table with r3 entries.
from_last:
    addi    r3,r3,-0x4000
    add     r3,r3,r4
    blr

# The entry that half the table lies between and r3.
half_before:
    lis     r4,table_entries@ha
    ld      r4,table_entries@l(r4)
    srdi    r4,r4,1
    subf    r3,r4,r3
    blr

# Doubleword 0 of a page in the segment of r3 but for one bit, the highest that chooses a group in a table of order r4.
other_page:
    addi    r4,r4,4
    li      r5,1
    sld     r5,r5,r4
    xor     r3,r3,r5
    blr

# Prepares a table of order r3: asks as long as the answer is one of 9900 to 9905.
prepare_table:
    std     r3,40(r1)
1:  li      r3,0x36c
    li      r4,0
    ld      r5,40(r1)
    sc      1
    addi    r4,r3,-9900
    cmpldi  r4,5
    ble     1b
    blr
