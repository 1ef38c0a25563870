# Where processors come in, and what each has for itself.
#
# Registers everywhere: r1 is the stack, r13 the processor's area (also in SPRG1), r14 to r31 belong to the caller, the
# rest to whoever is called. SPRG2 is for the first moment of an interrupt.

# A processor's area: 8 KiB, of which the lower half ends with the interrupts' stack and the upper one is the other's.
.equ AREA_SHIFT,13
.equ AREA_INTERRUPT_STACK,0x1000-64
.equ AREA_STACK,0x2000-64
# Registers of the interrupted program: r0 to r13, eight bytes each, then these.
.equ AREA_GPR0,0
.equ AREA_LR,0x70
.equ AREA_CTR,0x78
.equ AREA_CR,0x80
.equ AREA_XER,0x88
.equ AREA_SRR0,0x90
.equ AREA_SRR1,0x98
.equ AREA_DAR,0xa0
.equ AREA_DSISR,0xa8
# Offset of the interrupt's vector, and the MSR that the interrupt set.
.equ AREA_VECTOR,0xb0
.equ AREA_HANDLER_MSR,0xb8
# The processor's number, from 0, in the order of the device tree.
.equ AREA_INDEX,0xc0
# For the program.
.equ AREA_OWN,0x100

# The first processor, in the program's byte order and real mode. r3 = device tree.
start:
    mr      r14,r3
    li      r3,0
    bl      take_area
    bl      set_64_bit_mode
    # Interrupts in this byte order too: H_SET_MODE, resource 4.
    mfmsr   r4
    clrldi  r4,r4,63
    li      r3,0x31c
    li      r5,4
    li      r6,0
    li      r7,0
    sc      1
    mr      r15,r3
    bl      install_vectors
    mr      r3,r14
    bl      read_tree
    bl      read_arguments
    cmpdi   r15,0
    beq     1f
    lis     r3,text_set_mode@ha
    addi    r3,r3,text_set_mode@l
    li      r4,0
    mr      r5,r15
    b       abandon
1:  bl      announce
    bl      main
    b       finish

# SF, which not every machine sets for the first processor.
set_64_bit_mode:
    mfmsr   r4
    li      r5,1
    insrdi  r4,r5,1,0
    mtmsrd  r4
    isync
    blr

# Makes area r3 that of this processor, and its stack the stack.
take_area:
    lis     r13,AREAS@ha
    addi    r13,r13,AREAS@l
    sldi    r4,r3,AREA_SHIFT
    add     r13,r13,r4
    addi    r1,r13,AREA_STACK
    std     r3,AREA_INDEX(r13)
    mtsprg  1,r13
    blr

text_set_mode:
    .asciz  "status of H_SET_MODE, little-endian interrupts"
    .balign 4
