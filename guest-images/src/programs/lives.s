# Lives that follow each other: each finds nothing of the one before it, and leaves behind what it can. What is typed says how it ends:
# r: it reboots. l: it loads all the time from a real address with nothing there, and is reset from outside; only KVM answers
# such a load. Ctrl-D: the program ends.

.equ CTRL_D,4
# The least favoured priority.
.equ LEAST,0xff
# The priority of what is left pending.
.equ PRIORITY,4

# Nobody has touched r20 since the processor was started.
main:
    mflr    r0
    std     r0,16(r1)
    std     r31,-8(r1)
    std     r30,-16(r1)
    stdu    r1,-96(r1)
    lis     r3,text_register@ha
    addi    r3,r3,text_register@l
    li      r4,0
    mr      r5,r20
    bl      expect
# H_IPOLL, then H_IPI: r31 = index of a processor, r30 = where its server number is.
    li      r31,0
    lis     r30,servers@ha
    addi    r30,r30,servers@l
1:  li      r3,0x70
    ld      r4,0(r30)
    sc      1
    std     r4,32(r1)
    std     r5,40(r1)
    lis     r3,text_xirr@ha
    addi    r3,r3,text_xirr@l
    ld      r5,32(r1)
    li      r4,0
    bl      expect
    lis     r3,text_mfrr@ha
    addi    r3,r3,text_mfrr@l
    li      r4,LEAST
    ld      r5,40(r1)
    bl      expect
    li      r3,0x6c
    ld      r4,0(r30)
    li      r5,PRIORITY
    sc      1
    addi    r30,r30,8
    addi    r31,r31,1
    lis     r4,processor_count@ha
    ld      r4,processor_count@l(r4)
    cmpd    r31,r4
    blt     1b
# H_CPPR and H_XIRR: it takes its own message, which stays in service.
    li      r3,0x68
    li      r4,LEAST
    sc      1
    li      r3,0x74
    sc      1
    mr      r5,r4
    lis     r3,text_taken@ha
    addi    r3,r3,text_taken@l
    lis     r4,xirr_taken@ha
    ld      r4,xirr_taken@l(r4)
    bl      expect
    # A life that found something does not go on to hide it.
    lis     r3,first_failure@ha
    ld      r3,first_failure@l(r3)
    cmpdi   r3,0
    bne     end
    lis     r3,text_waits@ha
    addi    r3,r3,text_waits@l
    bl      put_text
    bl      end_line
# H_GET_TERM_CHAR, and what comes after the first byte is thrown away with this life, if there is another.
receive:
    li      r3,0x54
    lis     r4,terminal@ha
    ld      r4,terminal@l(r4)
    sc      1
    cmpdi   r4,0
    beq     wait
    srdi    r3,r5,56
    cmpdi   r3,'r'
    beq     reboot
    cmpdi   r3,'l'
    beq     load
    cmpdi   r3,CTRL_D
    bne     receive
end:
    addi    r1,r1,96
    ld      r31,-8(r1)
    ld      r30,-16(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr

# Nothing has been typed. The message in service keeps others out.
wait:
    lis     r3,4
    bl      sleep
    b       receive

reboot:
    bl      send_message
    lis     r3,token_reboot@ha
    ld      r3,token_reboot@l(r3)
    li      r4,0
    li      r5,1
    bl      rtas
    b       .

# What is found there is all ones.
load:
    bl      send_message
    lis     r3,text_loads@ha
    addi    r3,r3,text_loads@l
    bl      put_text
    bl      end_line
    li      r4,1
    sldi    r4,r4,40
1:  ld      r20,0(r4)
    b       1b

# H_IPI: a message to the first processor, this one, that comes before the one in service, and waits as interrupts are disabled.
send_message:
    li      r3,0x6c
    lis     r4,servers@ha
    ld      r4,servers@l(r4)
    li      r5,PRIORITY-1
    sc      1
    blr

    .balign 8
xirr_taken:
    .quad   0xff000002
text_register:
    .asciz  "a general register at the start"
text_xirr:
    .asciz  "XIRR at the start"
text_mfrr:
    .asciz  "MFRR at the start"
text_taken:
    .asciz  "XIRR of a message to itself"
text_waits:
    .asciz  "waits"
text_loads:
    .asciz  "loads"
    .balign 4
