# What steps of several processors call, beside `routines.s`, and by the same rules.

# MSR of code that turns DR on and off by itself: SF and ME.
real_mode_msr:
    li      r6,1
    sldi    r6,r6,63
    ori     r6,r6,0x1000
    blr

# Loads the word at r3 again and again, until an interrupt or until it is enough. What a probe returns; the program's r3 is how often
# the word was not r4. Before it says how far it is, R and C of its accesses are where others see them: `ptesync` (Power ISA v2.07B, Book III-S, 5.7.8).
touch_by_loads:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    mr      r5,r4
    mr      r4,r3
    bl      real_mode_msr
    lis     r3,code_of_loads@ha
    addi    r3,r3,code_of_loads@l
    bl      probe
    b       end_of_touches

# Stores to the word at r3 in the same way. If r4 is 1 and a store finds no entry, and nothing else is wrong with it, it is tried again.
touch_by_stores:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    std     r3,32(r1)
    std     r4,40(r1)
1:  ld      r4,32(r1)
    bl      real_mode_msr
    lis     r3,code_of_stores_again@ha
    addi    r3,r3,code_of_stores_again@l
    bl      probe
    ld      r9,40(r1)
    cmpdi   r9,1
    bne     end_of_touches
    cmpdi   r3,0x300
    bne     end_of_touches
    lis     r9,0x4200
    cmpd    r7,r9
    bne     end_of_touches
    lis     r9,is_enough@ha
    ld      r9,is_enough@l(r9)
    cmpdi   r9,0
    beq     1b
end_of_touches:
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

code_of_loads:
    li      r9,0
    mfmsr   r6
    ori     r7,r6,0x10
1:  mtmsrd  r7
    isync
    lwz     r8,0(r4)
    mtmsrd  r6
    isync
    cmpd    r8,r5
    beq     2f
    addi    r3,r3,1
2:  addi    r9,r9,1
    ptesync
    std     r9,AREA_PROGRESS(r13)
    lis     r10,is_enough@ha
    ld      r10,is_enough@l(r10)
    cmpdi   r10,0
    beq     1b
    sc      0

code_of_stores_again:
    ld      r9,AREA_PROGRESS(r13)
    mfmsr   r6
    ori     r7,r6,0x10
1:  mtmsrd  r7
    isync
    stw     r9,0(r4)
    mtmsrd  r6
    isync
    addi    r9,r9,1
    ptesync
    std     r9,AREA_PROGRESS(r13)
    lis     r10,is_enough@ha
    ld      r10,is_enough@l(r10)
    cmpdi   r10,0
    beq     1b
    sc      0

# Loads the word at r3 until that is not a data storage interrupt, or until it is enough: what the last probe returns.
load_until_there:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    std     r3,32(r1)
    li      r3,0
    std     r3,40(r1)
1:  ld      r3,40(r1)
    addi    r3,r3,1
    std     r3,40(r1)
    std     r3,AREA_PROGRESS(r13)
    bl      real_mode_msr
    ori     r4,r6,0x10
    ld      r3,32(r1)
    bl      load
    cmpdi   r3,0x300
    bne     end_of_touches
    lis     r10,is_enough@ha
    ld      r10,is_enough@l(r10)
    cmpdi   r10,0
    beq     1b
    b       end_of_touches

# Waits, without a hypercall, until it is enough: 1.
wait_until_enough:
    lis     r3,is_enough@ha
    ld      r3,is_enough@l(r3)
    cmpdi   r3,0
    beq     wait_until_enough
    blr

# H_CONFER to all again and again, until it is enough: 1.
confer_until_enough:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r5,0
1:  bl      pause
    addi    r5,r5,1
    std     r5,AREA_PROGRESS(r13)
    lis     r3,is_enough@ha
    ld      r3,is_enough@l(r3)
    cmpdi   r3,0
    beq     1b
    b       end_of_touches

# Tells all who do something again and again that it is enough.
say_enough:
    li      r3,1
    lis     r4,is_enough@ha
    std     r3,is_enough@l(r4)
    blr

# Waits until all other processors have come to r3 with their orders: 1, or 0 if that takes more than a minute.
wait_for_progress:
    li      r4,0
    b       wait_for_others

# Waits until each of them has come further by r3.
wait_for_more:
    li      r4,-1
wait_for_others:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-96(r1)
    std     r3,32(r1)
    std     r4,64(r1)
    mftb    r3
    std     r3,40(r1)
    li      r3,1
    std     r3,48(r1)
1:  lis     r4,last_processor@ha
    ld      r4,last_processor@l(r4)
    ld      r3,48(r1)
    cmpd    r3,r4
    bgt     4f
    bl      area_of
    std     r4,56(r1)
    ld      r5,AREA_PROGRESS(r4)
    ld      r6,64(r1)
    and     r5,r5,r6
    ld      r6,32(r1)
    add     r6,r6,r5
    std     r6,72(r1)
2:  ld      r4,56(r1)
    ld      r5,AREA_PROGRESS(r4)
    ld      r6,72(r1)
    cmpld   r5,r6
    bge     3f
    bl      pause
    ld      r3,40(r1)
    bl      is_past_a_minute
    cmpdi   r3,0
    beq     2b
    li      r3,0
    b       5f
3:  ld      r3,48(r1)
    addi    r3,r3,1
    std     r3,48(r1)
    b       1b
4:  li      r3,1
5:  addi    r1,r1,96
    ld      r0,16(r1)
    mtlr    r0
    blr

# Sleeps by the hypercall r4, H_CEDE or H_CONFER to itself, with external interrupts enabled and the longest time in the decrementer, as soon as
# the doubleword at r3 is not zero; it waits for that without a hypercall. What a probe returns, the program's r3 being the status; and in r9 1 if
# that shows nothing: the decrementer has run out meanwhile, or an external interrupt has come before the sleep.
sleep_when_told:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    mr      r5,r4
    mr      r4,r3
    bl      real_mode_msr
    lis     r3,code_of_sleep@ha
    addi    r3,r3,code_of_sleep@l
    bl      probe
    bl      has_run_out
    cmpdi   r3,0x500
    bne     end_of_touches
    lis     r10,sleep_is_over@ha
    addi    r10,r10,sleep_is_over@l
    cmpd    r4,r10
    beq     end_of_touches
    li      r9,1
    b       end_of_touches

code_of_sleep:
    li      r9,1
    std     r9,AREA_PROGRESS(r13)
1:  ld      r9,0(r4)
    cmpdi   r9,0
    beq     1b
    li      r9,0
    std     r9,AREA_DECREMENTS(r13)
    ld      r9,AREA_INDEX(r13)
    sldi    r9,r9,3
    lis     r4,servers@ha
    addi    r4,r4,servers@l
    ldx     r4,r4,r9
    mr      r3,r5
    li      r5,0
    lis     r9,0x7fff
    ori     r9,r9,0xffff
    mtdec   r9
    mfmsr   r9
    ori     r9,r9,0x8000
    mtmsrd  r9
    sc      1
sleep_is_over:
    sc      0

# Wakes processor r3, which sleeps by the hypercall r7, by the hypercall r4 with its server number and r5; if r6 is not zero, before it sleeps. A
# processor that the decrementer may have woken, or that did not sleep yet, proves nothing: it is tried again, and left to sleep for longer before, for a minute. Returns 1 if it
# was woken by something else, and 0 if it never was; its vector in r4, its status in r5 and the caller's in r6.
wake:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-128(r1)
    std     r3,32(r1)
    std     r4,40(r1)
    std     r5,48(r1)
    std     r6,56(r1)
    std     r7,64(r1)
    bl      area_of
    std     r4,72(r1)
    mftb    r3
    std     r3,80(r1)
    lis     r3,timebase_hz@ha
    ld      r3,timebase_hz@l(r3)
    srdi    r3,r3,10
    std     r3,88(r1)
1:  li      r3,0
    lis     r4,may_sleep@ha
    addi    r4,r4,may_sleep@l
    std     r3,0(r4)
    lis     r5,registers@ha
    addi    r5,r5,registers@l
    std     r4,0(r5)
    ld      r4,64(r1)
    std     r4,8(r5)
    ld      r3,32(r1)
    lis     r4,sleep_when_told@ha
    addi    r4,r4,sleep_when_told@l
    bl      order
2:  ld      r4,72(r1)
    ld      r5,AREA_PROGRESS(r4)
    cmpdi   r5,0
    bne     3f
    bl      pause
    ld      r3,80(r1)
    bl      is_past_a_minute
    cmpdi   r3,0
    beq     2b
    b       8f
3:  ld      r5,56(r1)
    cmpdi   r5,0
    bne     5f
    bl      let_it_sleep
    mftb    r5
    std     r5,120(r1)
4:  bl      pause
    mftb    r7
    ld      r5,120(r1)
    ld      r6,88(r1)
    subf    r7,r5,r7
    cmpld   r7,r6
    blt     4b
    bl      call_it
    b       6f
5:  bl      call_it
    bl      let_it_sleep
6:  ld      r3,32(r1)
    bl      answer
    cmpdi   r3,1
    bne     8f
    lis     r7,registers@ha
    addi    r7,r7,registers@l
    ld      r4,0(r7)
    ld      r5,40(r7)
    ld      r6,96(r1)
    ld      r8,48(r7)
    cmpdi   r8,0
    beq     7f
    # But no longer than a sleeper's decrementer lets it.
    ld      r3,88(r1)
    sldi    r3,r3,1
    lis     r4,timebase_hz@ha
    ld      r4,timebase_hz@l(r4)
    cmpld   r3,r4
    ble     10f
    mr      r3,r4
10: std     r3,88(r1)
    bl      take_it_back
    cmpdi   r3,1
    bne     8f
    ld      r3,80(r1)
    bl      is_past_a_minute
    cmpdi   r3,0
    beq     1b
8:  li      r3,0
    b       9f
7:  li      r3,1
9:  addi    r1,r1,128
    ld      r0,16(r1)
    mtlr    r0
    blr

let_it_sleep:
    li      r3,1
    lis     r4,may_sleep@ha
    std     r3,may_sleep@l(r4)
    blr

# The hypercall of `wake`, in its frame.
call_it:
    ld      r5,32(r1)
    sldi    r5,r5,3
    lis     r4,servers@ha
    addi    r4,r4,servers@l
    ldx     r4,r4,r5
    ld      r3,40(r1)
    ld      r5,48(r1)
    sc      1
    std     r3,96(r1)
    blr

# Before another try, in the frame of `wake`: the request of an H_IPI is taken back, and rejected if it has been presented; what H_PROD has left is used up,
# as the next H_CEDE would not sleep. 1, or 0 if the other processor does not do that within a minute.
take_it_back:
    mflr    r0
    std     r0,104(r1)
    lis     r4,cede_for_a_moment@ha
    addi    r4,r4,cede_for_a_moment@l
    ld      r3,40(r1)
    cmpdi   r3,0xe4
    beq     1f
    cmpdi   r3,0x6c
    li      r3,1
    bne     2f
    ld      r3,48(r1)
    std     r3,112(r1)
    li      r3,0xff
    std     r3,48(r1)
    bl      call_it
    ld      r3,112(r1)
    std     r3,48(r1)
    lis     r4,reject_requests@ha
    addi    r4,r4,reject_requests@l
1:  ld      r3,32(r1)
    bl      order
    ld      r3,32(r1)
    bl      answer
2:  ld      r0,104(r1)
    mtlr    r0
    blr

cede_for_a_moment:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r3,timebase_hz@ha
    ld      r3,timebase_hz@l(r3)
    srdi    r3,r3,10
    bl      cede_for
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# H_CPPR of the most favoured priority, which no request is let through with, and of the least favoured one.
reject_requests:
    li      r3,0x68
    li      r4,0
    sc      1
    li      r3,0x68
    li      r4,0xff
    sc      1
    blr

# H_PROD of the first processor again and again, until it is enough: 0, or the bits of all other statuses.
prod_until_enough:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r3,0
    std     r3,32(r1)
1:  bl      prod_first
    ld      r4,32(r1)
    or      r4,r4,r3
    std     r4,32(r1)
    ld      r5,AREA_PROGRESS(r13)
    addi    r5,r5,1
    std     r5,AREA_PROGRESS(r13)
    lis     r3,is_enough@ha
    ld      r3,is_enough@l(r3)
    cmpdi   r3,0
    beq     1b
    ld      r3,32(r1)
    b       end_of_touches

# The first processor makes r3 calls of H_PROD for itself, and H_CEDE with the longest time in the decrementer. If that has run out, nobody knows what has ended
# the sleep: it is tried again, for a minute. Returns 1 if something else has ended it, and 0 if that never was; H_CEDE's status in r4, and in r5 0, or
# the bits of all other statuses of H_PROD.
cede_after_prods:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-96(r1)
    std     r3,32(r1)
    mftb    r3
    std     r3,40(r1)
    li      r3,0
    std     r3,48(r1)
1:  ld      r3,32(r1)
    std     r3,56(r1)
2:  ld      r3,56(r1)
    cmpdi   r3,0
    beq     3f
    addi    r3,r3,-1
    std     r3,56(r1)
    bl      prod_first
    ld      r4,48(r1)
    or      r4,r4,r3
    std     r4,48(r1)
    b       2b
3:  lis     r3,0x7fff
    ori     r3,r3,0xffff
    bl      cede_for
    std     r3,64(r1)
    li      r3,1
    cmpdi   r4,0
    beq     4f
    ld      r3,40(r1)
    bl      is_past_a_minute
    cmpdi   r3,0
    beq     1b
    li      r3,0
4:  ld      r4,64(r1)
    ld      r5,48(r1)
    addi    r1,r1,96
    ld      r0,16(r1)
    mtlr    r0
    blr

# H_PROD of the first processor: its status.
prod_first:
    lis     r4,servers@ha
    ld      r4,servers@l(r4)
    li      r3,0xe8
    sc      1
    blr

# Puts code where system calls come in that tells in which byte order they do, until `clean`.
plant_orders:
    lis     r4,has_planted_orders@ha
    li      r5,1
    std     r5,has_planted_orders@l(r4)
    lis     r4,code_of_orders@ha
    addi    r4,r4,code_of_orders@l
    li      r3,0xc00
    li      r5,3
    mtctr   r5
    mr      r6,r3
1:  ld      r5,0(r4)
    std     r5,0(r6)
    addi    r4,r4,8
    addi    r6,r6,8
    bdnz    1b
    b       synchronize

    .balign 8
code_of_orders:
    # In the other byte order this is a branch over the next instruction.
    tdi     0,0,0x48
    b       1f
    # The other order's li r3,2 and rfid.
    .long   0x02006038
    .long   0x2400004c
1:  li      r3,1
    rfid

# In which byte order a system call comes in: 1 if in the program's, 2 if in the other.
order_of_interrupts:
    li      r3,0
    sc      0
    li      r4,1
    std     r4,AREA_PROGRESS(r13)
    blr

# H_SET_MODE, resource 4: interrupts in the program's byte order, or in the other if r3 is 1.
set_byte_order:
    mfmsr   r4
    clrldi  r4,r4,63
    xor     r4,r4,r3
    li      r3,0x31c
    li      r5,4
    li      r6,0
    li      r7,0
    sc      1
    blr

# The same with external interrupts enabled.
set_byte_order_in_the_open:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    mfmsr   r4
    ori     r4,r4,0x8000
    mtmsrd  r4
    bl      set_byte_order
    mfmsr   r4
    li      r5,0
    insrdi  r4,r5,1,48
    mtmsrd  r4
    b       end_of_touches

# The code of interrupts, and their byte order, again as they were.
take_orders_away:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r3,0
    lis     r4,has_planted_orders@ha
    std     r3,has_planted_orders@l(r4)
    bl      set_byte_order
    bl      install_vectors
    b       end_of_touches

    .balign 8
# Whether the processor that is to be woken may sleep.
may_sleep:
    .quad   0
has_planted_orders:
    .quad   0
