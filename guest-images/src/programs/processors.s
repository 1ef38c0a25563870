# Processors that start and stop: query-cpu-stopped-state, start-cpu, stop-self. A program that takes this has `work`, which
# every processor but the first calls, with r30 = its index and r31 = how many there are.

# query-cpu-stopped-state of server r6: status in r3, state in r4.
query:
    lis     r3,token_query_stopped@ha
    ld      r3,token_query_stopped@l(r3)
    li      r4,1
    li      r5,2
    b       rtas

# start-cpu of server r6, which finds r8 in r3: status in r3.
start_one:
    lis     r3,token_start_cpu@ha
    ld      r3,token_start_cpu@l(r3)
    li      r4,3
    li      r5,1
    lis     r7,secondary_entry@ha
    addi    r7,r7,secondary_entry@l
    b       rtas

# Gives up unless the number of processors, in r31, is two or more.
need_two_processors:
    cmpdi   r31,1
    ble     1f
    blr
1:  lis     r3,text_processors@ha
    addi    r3,r3,text_processors@l
    li      r4,2
    mr      r5,r31
    b       abandon

# Starts all processors but the first.
start_all:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r30,1
1:  cmpd    r30,r31
    bge     2f
    bl      server_of
    bl      query
    mr      r5,r4
    lis     r3,text_stopped@ha
    addi    r3,r3,text_stopped@l
    li      r4,0
    bl      expect
    bl      server_of
    mr      r8,r30
    bl      start_one
    mr      r5,r3
    lis     r3,text_start@ha
    addi    r3,r3,text_start@l
    li      r4,0
    bl      expect
    addi    r30,r30,1
    b       1b
2:  li      r30,0
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# The server number of processor r30: r6.
server_of:
    lis     r6,servers@ha
    addi    r6,r6,servers@l
    sldi    r7,r30,3
    ldx     r6,r6,r7
    blr

# Waits until all processors but the first have stopped themselves.
wait_until_stopped:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r30,1
1:  cmpd    r30,r31
    bge     2f
    bl      server_of
    bl      query
    cmpdi   r4,0
    bne     1b
    addi    r30,r30,1
    b       1b
2:  li      r30,0
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Where the others begin, in the program's byte order: r3 = index.
secondary:
    mr      r30,r3
    bl      take_area
    lis     r31,processor_count@ha
    ld      r31,processor_count@l(r31)
    bl      work
    # stop-self, with a buffer of its own as several may call at the same time.
    addi    r3,r13,AREA_OWN+64
    lis     r4,token_stop_self@ha
    ld      r4,token_stop_self@l(r4)
    bl      store_be32
    addi    r3,r13,AREA_OWN+68
    li      r4,0
    bl      store_be32
    addi    r3,r13,AREA_OWN+72
    li      r4,1
    bl      store_be32
    lis     r3,0
    ori     r3,r3,0xf000
    addi    r4,r13,AREA_OWN+64
    sc      1
    li      r4,0
    mr      r5,r3
    lis     r3,text_stop@ha
    addi    r3,r3,text_stop@l
    li      r5,1
    b       abandon

text_processors:
    .asciz  "number of processors"
text_stopped:
    .asciz  "state of a processor that was not started"
text_start:
    .asciz  "status of start-cpu"
text_stop:
    .asciz  "returns of stop-self"
    .balign 4
