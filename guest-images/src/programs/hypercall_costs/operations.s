# The operations. Each does one, adds its ticks to r30, and leaves the table as it was. r24 = the time base before it, r23 = where to go
# back to, r22 = the page, r21 = how many pages.

# Pages that stay once they are entered, but for the first eight: as many as have the same doubleword 0.
.equ MANY,2048

# The list: what it is called, and the routine.
    .balign 8
costs:
    .quad   name_null,null
    .quad   name_enter_remove,enter_remove
    .quad   name_enter_touch_remove,enter_touch_remove
    .quad   name_bulk,bulk_remove
    .quad   name_bulk_touched,bulk_remove_touched
    .quad   name_block,block_remove
    .quad   name_block_touched,block_remove_touched
    .quad   name_protect,protect_touched
    .quad   name_read,read
    .quad   name_touch,touch_only
    .quad   name_among,remove_among_many
    .quad   0
name_null:
    .asciz  "null"
name_enter_remove:
    .asciz  "enter-remove"
name_enter_touch_remove:
    .asciz  "enter-touch-remove"
name_bulk:
    .asciz  "bulk-remove-4"
name_bulk_touched:
    .asciz  "bulk-remove-4-touched"
name_block:
    .asciz  "block-remove-8"
name_block_touched:
    .asciz  "block-remove-8-touched"
name_protect:
    .asciz  "protect-touched"
name_read:
    .asciz  "read"
name_touch:
    .asciz  "touch"
name_among:
    .asciz  "remove-touched-among-2048"
    .balign 8
are_many:
    .quad   0

# The end of every operation: counts what has passed since r24.
took:
    mftb    r4
    subf    r4,r24,r4
    add     r30,r30,r4
    blr

# A hypercall that there is not.
null:
    mftb    r24
    li      r3,0x3ffc
    sc      1
    b       took

enter_remove:
    mflr    r23
    mftb    r24
    li      r22,0
    bl      enter
    bl      remove
    mtlr    r23
    b       took

enter_touch_remove:
    mflr    r23
    mftb    r24
    li      r22,0
    bl      enter
    bl      touch
    bl      remove
    mtlr    r23
    b       took

bulk_remove_touched:
    mflr    r23
    li      r21,4
    bl      enter_all
    bl      touch_all
    b       1f
bulk_remove:
    mflr    r23
    li      r21,4
    bl      enter_all
1:  # Requests without a condition, each with a doubleword that does not matter.
    li      r4,1
    sldi    r4,r4,62
    ori     r4,r4,SLOT
    addi    r6,r4,8
    addi    r8,r4,16
    addi    r10,r4,24
    mftb    r24
    li      r3,0x124
    sc      1
    mtlr    r23
    cmpdi   r3,0
    beq     took
    b       refused

block_remove_touched:
    mflr    r23
    li      r21,8
    bl      enter_all
    bl      touch_all
    b       1f
block_remove:
    mflr    r23
    li      r21,8
    bl      enter_all
1:  lis     r4,TOUCHED_V>>16
    # Requests by the AVPN.
    li      r5,0x41
    sldi    r5,r5,56
    ori     r5,r5,SLOT
    addi    r6,r5,8
    addi    r7,r5,16
    addi    r8,r5,24
    addi    r9,r5,32
    addi    r10,r5,40
    addi    r11,r5,48
    addi    r12,r5,56
    mftb    r24
    li      r3,0x328
    sc      1
    mtlr    r23
    cmpdi   r3,0
    beq     took
    # H_Function: there is none here.
    cmpdi   r3,-2
    bne     refused
    li      r25,0
    bl      remove_all
    mtlr    r23
    blr

# Makes it read-only.
protect_touched:
    mflr    r23
    li      r22,0
    bl      enter
    bl      touch
    li      r4,3
    li      r5,SLOT
    li      r6,0
    mftb    r24
    li      r3,0x18
    sc      1
    cmpdi   r3,0
    bne     refused
    bl      took
    bl      remove
    mtlr    r23
    blr

read:
    mflr    r23
    li      r22,0
    bl      enter
    li      r4,0
    li      r5,SLOT
    mftb    r24
    li      r3,0x0c
    sc      1
    cmpdi   r3,0
    bne     refused
    bl      took
    bl      remove
    mtlr    r23
    blr

# The first use of an entry.
touch_only:
    mflr    r23
    li      r22,0
    bl      enter
    mftb    r24
    bl      touch
    bl      took
    bl      remove
    mtlr    r23
    blr

# Of a processor that holds the translations of many more pages. This one comes last, as they stay.
remove_among_many:
    mflr    r23
    lis     r3,are_many@ha
    ld      r3,are_many@l(r3)
    cmpdi   r3,0
    bne     1f
    bl      enter_many
1:  li      r22,0
    bl      enter
    bl      touch
    mftb    r24
    bl      remove
    mtlr    r23
    b       took

# Enters pages 8 to MANY - 1 and loads from them. Their groups have pages of the program too, in their first slots.
enter_many:
    mflr    r20
    li      r22,8
1:  xori    r5,r22,TOUCHED_VSID
    sldi    r5,r5,3
    addi    r5,r5,1
    bl      enter_at
    bl      touch
    addi    r22,r22,1
    cmpdi   r22,MANY
    blt     1b
    li      r3,1
    lis     r4,are_many@ha
    std     r3,are_many@l(r4)
    mtlr    r20
    blr

# H_ENTER of page r22, exactly into its slot, or into slot r5.
enter:
    sldi    r5,r22,3
    addi    r5,r5,SLOT
enter_at:
    li      r4,1
    sldi    r4,r4,39
    lis     r6,TOUCHED_V>>16
    ori     r6,r6,TOUCHED_V&0xffff
    lis     r7,PAGE>>16
    ori     r7,r7,0x12
    sldi    r8,r22,12
    add     r7,r7,r8
    li      r3,8
    sc      1
    cmpdi   r3,0
    beqlr
    b       refused

# H_REMOVE of page r22.
remove:
    li      r4,0
    sldi    r5,r22,3
    addi    r5,r5,SLOT
    li      r6,0
    li      r3,4
    sc      1
    cmpdi   r3,0
    beqlr
    b       refused

# Loads from page r22.
touch:
    li      r4,TOUCHED>>32
    sldi    r4,r4,32
    sldi    r5,r22,12
    ldx     r4,r4,r5
    blr

# The same for pages 0 to r21 - 1.
enter_all:
    mflr    r20
    li      r22,0
1:  bl      enter
    addi    r22,r22,1
    cmpd    r22,r21
    blt     1b
    mtlr    r20
    blr
remove_all:
    mflr    r20
    li      r22,0
1:  bl      remove
    addi    r22,r22,1
    cmpd    r22,r21
    blt     1b
    mtlr    r20
    blr
touch_all:
    mflr    r20
    li      r22,0
1:  bl      touch
    addi    r22,r22,1
    cmpd    r22,r21
    blt     1b
    mtlr    r20
    blr
