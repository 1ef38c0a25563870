# Routines that the list of facilities calls.

.equ MSR_EE,0x8000
.equ MSR_SE,0x400
# In the processor's area: interrupts of the kind that is waited for.
.equ COUNT,AREA_OWN

# TIR.
thread:
    mfspr   r3,446
    blr

# Sends r3 and takes it back. Returns DPDES before, with the message, after an attempt with another type, and after the right one.
send_and_clear:
    mr      r7,r3
    mfspr   r8,176
    msgsndp r7
    mfspr   r4,176
    lis     r5,0x3000
    msgclrp r5
    mfspr   r5,176
    lis     r6,0x2800
    msgclrp r6
    mfspr   r6,176
    mr      r3,r8
    blr

# Sends r3 with interrupts disabled, and enables them. Returns the interrupts before and after that, DPDES, and, had there been one,
# SRR0 less the address where they were enabled and what SRR1 has beside MSR and EE.
send_message:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    std     r3,32(r1)
    lis     r4,on_message@ha
    addi    r4,r4,on_message@l
    li      r3,0xa00
    bl      set_handler
    li      r3,0
    std     r3,COUNT(r13)
    lis     r3,0x7fff
    mtdec   r3
    ld      r3,32(r1)
    msgsndp r3
    nop
    ld      r3,COUNT(r13)
    mfmsr   r9
    ori     r10,r9,MSR_EE
    mtmsrd  r10,1
enabled:
    nop
    mtmsrd  r9,1
    ld      r4,COUNT(r13)
    mfspr   r5,176
    li      r6,0
    li      r7,0
    cmpdi   r4,0
    beq     1f
    lis     r8,enabled@ha
    addi    r8,r8,enabled@l
    ld      r6,AREA_SRR0(r13)
    subf    r6,r8,r6
    ld      r7,AREA_SRR1(r13)
    xor     r7,r7,r10
1:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Sends r3 and sleeps, four seconds at most. Returns the interrupts and H_CEDE's status.
cede_with_message:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    std     r3,32(r1)
    lis     r4,on_decrementer@ha
    addi    r4,r4,on_decrementer@l
    li      r3,0x900
    bl      set_handler
    li      r3,0
    std     r3,COUNT(r13)
    lis     r3,0x7fff
    mtdec   r3
    ld      r3,32(r1)
    msgsndp r3
    li      r3,0xe0
    sc      1
    mr      r4,r3
    # H_CEDE has enabled interrupts.
    mfmsr   r5
    li      r6,0
    insrdi  r5,r6,1,48
    mtmsrd  r5,1
    ld      r3,COUNT(r13)
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

on_decrementer:
    ld      r4,COUNT(r13)
    addi    r4,r4,1000
    std     r4,COUNT(r13)
    b       postpone_decrementer

on_message:
    ld      r4,COUNT(r13)
    addi    r4,r4,1
    std     r4,COUNT(r13)
    blr

# PPR after each hint, the last with the medium priority again.
set_priorities:
    or      2,2,2
    mfspr   r3,896
    or      31,31,31
    mfspr   r4,896
    or      1,1,1
    mfspr   r5,896
    or      6,6,6
    mfspr   r6,896
    or      5,5,5
    mfspr   r7,896
    or      3,3,3
    mfspr   r8,896
    or      7,7,7
    mfspr   r9,896
    or      2,2,2
    blr

# PPR and PPR32 after a write to PPR32.
set_low_by_word:
    lis     r5,8
    mtspr   898,r5
    mfspr   r3,896
    mfspr   r4,898
    or      2,2,2
    blr

# BESCR after its bits were set and reset: r3 in the upper half, and bit 63.
set_events:
    mr      r7,r3
    li      r8,1
    li      r3,0
    mtspr   806,r3
    mtspr   801,r7
    mfspr   r3,806
    mtspr   800,r8
    mfspr   r4,806
    mtspr   803,r7
    mfspr   r5,801
    sldi    r5,r5,32
    mfspr   r6,806
    or      r5,r5,r6
    mtspr   802,r8
    mfspr   r6,802
    blr

# Executes one instruction with MSR[SE]. Returns the trace interrupts, SRR0 less the address behind it, bit 33 of SRR1, and SIAR less its address.
step_over_load:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r4,on_trace@ha
    addi    r4,r4,on_trace@l
    li      r3,0xd00
    bl      set_handler
    li      r3,0
    std     r3,COUNT(r13)
    lis     r9,stepped@ha
    addi    r9,r9,stepped@l
    mtsrr0  r9
    mfmsr   r4
    ori     r4,r4,MSR_SE
    mtsrr1  r4
    rfid
stepped:
    ld      r3,0(r9)
    nop
    ld      r3,COUNT(r13)
    ld      r4,AREA_SRR0(r13)
    subf    r4,r9,r4
    addi    r4,r4,-4
    ld      r5,step_srr1-stepped(r9)
    rldicl  r5,r5,34,63
    mfspr   r6,796
    subf    r6,r9,r6
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Goes on without single steps.
on_trace:
    ld      r4,COUNT(r13)
    addi    r4,r4,1
    std     r4,COUNT(r13)
    ld      r4,AREA_SRR1(r13)
    lis     r5,step_srr1@ha
    std     r4,step_srr1@l(r5)
    li      r5,MSR_SE
    andc    r4,r4,r5
    std     r4,AREA_SRR1(r13)
    blr

# Reads what has no register into r3.
use_reserved:
    mfspr   r3,808
    mfspr   r3,809
    mtspr   810,r3
    mtspr   811,r3
    blr

    .balign 8
step_srr1:
    .quad   0
