# A greeting, and what this guest is like.

main:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r3,text_hello@ha
    addi    r3,r3,text_hello@l
    bl      put_text
    bl      end_line

    lis     r3,text_processor@ha
    addi    r3,r3,text_processor@l
    bl      put_text
    mfpvr   r3
    bl      put_hex
    bl      end_line

    lis     r3,text_processors@ha
    addi    r3,r3,text_processors@l
    bl      put_text
    lis     r3,processor_count@ha
    ld      r3,processor_count@l(r3)
    bl      put_decimal
    bl      end_line

    lis     r3,text_memory_size@ha
    addi    r3,r3,text_memory_size@l
    bl      put_text
    lis     r3,memory_bytes@ha
    ld      r3,memory_bytes@l(r3)
    srdi    r3,r3,20
    bl      put_decimal
    lis     r3,text_mib@ha
    addi    r3,r3,text_mib@l
    bl      put_text
    bl      end_line

    lis     r3,text_table@ha
    addi    r3,r3,text_table@l
    bl      put_text
    lis     r3,table_order@ha
    ld      r3,table_order@l(r3)
    addi    r3,r3,-10
    li      r4,1
    sld     r3,r4,r3
    bl      put_decimal
    lis     r3,text_kib@ha
    addi    r3,r3,text_kib@l
    bl      put_text
    bl      end_line

    lis     r3,text_clock@ha
    addi    r3,r3,text_clock@l
    bl      put_text
    lis     r3,timebase_hz@ha
    ld      r3,timebase_hz@l(r3)
    bl      put_decimal
    lis     r3,text_now@ha
    addi    r3,r3,text_now@l
    bl      put_text
    mftb    r31
    mr      r3,r31
    bl      put_hex
    bl      end_line

    # The time base counts, and not backwards.
    mftb    r5
    subf    r5,r31,r5
    srdi    r5,r5,63
    lis     r3,text_backwards@ha
    addi    r3,r3,text_backwards@l
    li      r4,0
    bl      expect

    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

text_hello:
    .asciz  "Hello from a guest for POWER, without an operating system."
text_processor:
    .asciz  "  processor version   "
text_processors:
    .asciz  "  processors          "
text_memory_size:
    .asciz  "  memory              "
text_mib:
    .asciz  " MiB"
text_table:
    .asciz  "  hashed page table   "
text_kib:
    .asciz  " KiB"
text_clock:
    .asciz  "  time base           "
text_now:
    .asciz  " Hz, now "
text_backwards:
    .asciz  "sign of the time that passed"
    .balign 4
