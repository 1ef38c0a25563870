# Routines that the list of hypercalls calls.

# How many entries the table has: its bytes divided by 16.
count_entries:
    lis     r4,table_order@ha
    ld      r4,table_order@l(r4)
    addi    r4,r4,-4
    li      r3,1
    sld     r3,r3,r4
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
