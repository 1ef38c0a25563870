# Calls of firmware: RTAS through its hypercall, 0xf000, which works before RTAS has been instantiated.

# Calls the token r3 with r4 inputs, r5 outputs, and the inputs r6, r7 and r8. Returns the first two outputs, as signed
# numbers, in r3 and r4. The buffer is on the stack: what the host writes into a page that has code, all processors have to hear of.
rtas:
    mflr    r0
    std     r0,16(r1)
    std     r31,-8(r1)
    std     r30,-16(r1)
    stdu    r1,-160(r1)
    std     r3,32(r1)
    std     r8,40(r1)
    mr      r9,r4
    addi    r31,r1,64
    mr      r3,r31
    ld      r4,32(r1)
    bl      store_be32
    addi    r3,r31,4
    mr      r4,r9
    bl      store_be32
    addi    r3,r31,8
    mr      r4,r5
    bl      store_be32
    addi    r3,r31,12
    mr      r4,r6
    bl      store_be32
    addi    r3,r31,16
    mr      r4,r7
    bl      store_be32
    addi    r3,r31,20
    ld      r4,40(r1)
    bl      store_be32
    # The outputs come after the inputs.
    sldi    r9,r9,2
    add     r30,r31,r9
    addi    r30,r30,12
    lis     r3,0
    ori     r3,r3,0xf000
    mr      r4,r31
    sc      1
    mr      r3,r30
    bl      load_be32
    extsw   r9,r3
    addi    r3,r30,4
    bl      load_be32
    extsw   r4,r3
    mr      r3,r9
    addi    r1,r1,160
    ld      r31,-8(r1)
    ld      r30,-16(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr

# Ends the machine: both masks of events that would power on again, all ones.
power_off:
    bl      send
    lis     r3,token_power_off@ha
    ld      r3,token_power_off@l(r3)
    li      r4,2
    li      r5,1
    li      r6,-1
    li      r7,-1
    bl      rtas
    b       .
