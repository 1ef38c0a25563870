# Interrupts: the vectors in low memory, and the way from there to a handler and back.
#
# A handler is called in real mode with r3 = offset of its vector, and finds (and may change) the interrupted program's
# registers in the processor's area. It must leave r14 to r31 alone. Interrupts do not nest.

# Puts a copy of vector_code at every place where an interrupt can come in.
install_vectors:
    li      r3,0x100
1:  lis     r4,vector_code@ha
    addi    r4,r4,vector_code@l
    mr      r5,r3
    li      r6,5
    mtctr   r6
2:  lwz     r7,0(r4)
    stw     r7,0(r5)
    addi    r4,r4,4
    addi    r5,r5,4
    bdnz    2b
    # Its number goes into the instruction that loads it.
    lwz     r7,12(r3)
    or      r7,r7,r3
    stw     r7,12(r3)
    dcbst   0,r3
    sync
    icbi    0,r3
    addi    r3,r3,0x20
    cmpdi   r3,0x1000
    blt     1b
    sync
    isync
    blr

vector_code:
    mtsprg  2,r3
    mfsprg  r3,1
    std     r4,AREA_GPR0+4*8(r3)
    li      r4,0
    ba      interrupt

# r3 = area, r4 = offset of the vector, SPRG2 = the program's r3.
interrupt:
    std     r4,AREA_VECTOR(r3)
    std     r0,AREA_GPR0(r3)
    std     r1,AREA_GPR0+1*8(r3)
    std     r2,AREA_GPR0+2*8(r3)
    mfsprg  r0,2
    std     r0,AREA_GPR0+3*8(r3)
    std     r5,AREA_GPR0+5*8(r3)
    std     r6,AREA_GPR0+6*8(r3)
    std     r7,AREA_GPR0+7*8(r3)
    std     r8,AREA_GPR0+8*8(r3)
    std     r9,AREA_GPR0+9*8(r3)
    std     r10,AREA_GPR0+10*8(r3)
    std     r11,AREA_GPR0+11*8(r3)
    std     r12,AREA_GPR0+12*8(r3)
    std     r13,AREA_GPR0+13*8(r3)
    mr      r13,r3
    addi    r1,r13,AREA_INTERRUPT_STACK
    mflr    r0
    std     r0,AREA_LR(r13)
    mfctr   r0
    std     r0,AREA_CTR(r13)
    mfcr    r0
    std     r0,AREA_CR(r13)
    mfxer   r0
    std     r0,AREA_XER(r13)
    mfsrr0  r0
    std     r0,AREA_SRR0(r13)
    mfsrr1  r0
    std     r0,AREA_SRR1(r13)
    mfdar   r0
    std     r0,AREA_DAR(r13)
    mfdsisr r0
    std     r0,AREA_DSISR(r13)
    mfmsr   r0
    std     r0,AREA_HANDLER_MSR(r13)
    mr      r3,r4
    bl      handler_slot
    ld      r5,0(r5)
    mtctr   r5
    bctrl
    # Back.
    ld      r0,AREA_SRR0(r13)
    mtsrr0  r0
    ld      r0,AREA_SRR1(r13)
    mtsrr1  r0
    ld      r0,AREA_LR(r13)
    mtlr    r0
    ld      r0,AREA_CTR(r13)
    mtctr   r0
    ld      r0,AREA_XER(r13)
    mtxer   r0
    ld      r0,AREA_CR(r13)
    mtcr    r0
    mr      r3,r13
    ld      r0,AREA_GPR0(r3)
    ld      r1,AREA_GPR0+1*8(r3)
    ld      r2,AREA_GPR0+2*8(r3)
    ld      r4,AREA_GPR0+4*8(r3)
    ld      r5,AREA_GPR0+5*8(r3)
    ld      r6,AREA_GPR0+6*8(r3)
    ld      r7,AREA_GPR0+7*8(r3)
    ld      r8,AREA_GPR0+8*8(r3)
    ld      r9,AREA_GPR0+9*8(r3)
    ld      r10,AREA_GPR0+10*8(r3)
    ld      r11,AREA_GPR0+11*8(r3)
    ld      r12,AREA_GPR0+12*8(r3)
    ld      r13,AREA_GPR0+13*8(r3)
    ld      r3,AREA_GPR0+3*8(r3)
    rfid

# The place in the table of the handler for the vector at offset r3: r5.
handler_slot:
    lis     r5,handlers@ha
    addi    r5,r5,handlers@l
    srdi    r6,r3,7
    sldi    r6,r6,3
    add     r5,r5,r6
    blr

# Makes r4 the handler for the vector at offset r3.
set_handler:
    mflr    r0
    bl      handler_slot
    mtlr    r0
    std     r4,0(r5)
    blr

# An interrupt that the program does not expect ends it.
unexpected:
    ld      r5,AREA_VECTOR(r13)
    lis     r3,text_unexpected@ha
    addi    r3,r3,text_unexpected@l
    li      r4,0
    b       abandon

# The decrementer, for programs that only want to be left alone by it: the longest time again.
postpone_decrementer:
    lis     r4,0x7fff
    mtdec   r4
    blr

# Sleeps for r3 ticks of the time base, or until another interrupt: H_CEDE, which enables them.
sleep:
    mtdec   r3
    li      r3,0xe0
    sc      1
    mfmsr   r4
    li      r5,0
    insrdi  r4,r5,1,48
    mtmsrd  r4
    blr

# One for every 128 bytes of low memory. Here 0x900 is the decrementer.
    .balign 8
handlers:
    .quad   unexpected,unexpected,unexpected,unexpected,unexpected,unexpected,unexpected,unexpected
    .quad   unexpected,unexpected,unexpected,unexpected,unexpected,unexpected,unexpected,unexpected
    .quad   unexpected,unexpected,postpone_decrementer,unexpected,unexpected,unexpected,unexpected,unexpected
    .quad   unexpected,unexpected,unexpected,unexpected,unexpected,unexpected,unexpected,unexpected

text_unexpected:
    .asciz  "vector of an interrupt"
    .balign 4
