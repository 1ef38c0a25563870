# All processors at once. Every number that is checked is a sum or a count that does not depend on who was faster.

# Rounds of each part, which the processors share: more of them take no longer.
.equ ADDITIONS,1<<17
.equ TURNS,1<<14
.equ ROUNDS,1<<10
.equ MESSAGES,1<<10
.equ MSR_EE,0x8000

# In the processor's area: inter-processor interrupts so far, and the last XIRR.
.equ COUNT,AREA_OWN
.equ XIRR,AREA_OWN+8
# The round of barriers that it has reached.
.equ ROUND,AREA_OWN+16

# r31 = number of processors, r30 = index.
main:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r31,processor_count@ha
    ld      r31,processor_count@l(r31)
    li      r3,0x500
    lis     r4,on_external@ha
    addi    r4,r4,on_external@l
    bl      set_handler
    bl      wrong_starts
    bl      start_all
    bl      work
    bl      wait_until_stopped
    # Once more: what has stopped itself can be started again.
    bl      start_all
    bl      work
    bl      wait_until_stopped
    bl      totals
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# A processor that runs cannot be started, and neither can one that does not exist.
wrong_starts:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r6,servers@ha
    ld      r6,servers@l(r6)
    bl      query
    mr      r5,r4
    lis     r3,text_running@ha
    addi    r3,r3,text_running@l
    li      r4,2
    bl      expect
    li      r6,0x1234
    bl      start_one
    mr      r5,r3
    lis     r3,text_nobody@ha
    addi    r3,r3,text_nobody@l
    li      r4,-3
    bl      expect
    lis     r6,servers@ha
    ld      r6,servers@l(r6)
    bl      start_one
    # Any error will do: the manual has several that fit.
    srdi    r5,r3,63
    lis     r3,text_twice@ha
    addi    r3,r3,text_twice@l
    li      r4,1
    bl      expect
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

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

# One processor's share of r4 rounds: r4.
share:
    divdu   r4,r4,r31
    blr

# What every processor does.
work:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    bl      add_to_sums
    bl      take_turns
    bl      meet
    bl      pass_messages
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Adds to a word and a doubleword with load-and-reserve and store-conditional.
add_to_sums:
    mflr    r0
    lis     r4,ADDITIONS>>16
    bl      share
    mtctr   r4
    mtlr    r0
    lis     r9,sum_word@ha
    addi    r9,r9,sum_word@l
    lis     r10,sum_doubleword@ha
    addi    r10,r10,sum_doubleword@l
    # Carries out of the lower word.
    lis     r5,0x4000
1:  lwarx   r4,0,r9
    addi    r4,r4,1
    stwcx.  r4,0,r9
    bne     1b
2:  ldarx   r4,0,r10
    add     r4,r4,r5
    stdcx.  r4,0,r10
    bne     2b
    bdnz    1b
    blr

# Changes two plain numbers, which are always equal, with a lock.
take_turns:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r4,TURNS
    bl      share
    mtctr   r4
    lis     r9,turn_lock@ha
    addi    r9,r9,turn_lock@l
    lis     r10,turns@ha
    addi    r10,r10,turns@l
1:  lwarx   r4,0,r9
    cmpwi   r4,0
    bnel    pause
    bne     1b
    li      r4,1
    stwcx.  r4,0,r9
    bne     1b
    isync
    ld      r4,0(r10)
    ld      r5,128(r10)
    cmpd    r4,r5
    bne     2f
    addi    r4,r4,1
    std     r4,0(r10)
    addi    r5,r5,1
    std     r5,128(r10)
    lwsync
    li      r4,0
    stw     r4,0(r9)
    bdnz    1b
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr
2:  lis     r3,text_turns_differ@ha
    addi    r3,r3,text_turns_differ@l
    b       abandon

# Meets the others at barriers: behind each, everybody has come as far.
meet:
    mflr    r0
    std     r0,16(r1)
    std     r29,-8(r1)
    stdu    r1,-80(r1)
    li      r4,ROUNDS
    bl      share
    mr      r29,r4
1:  ld      r3,ROUND(r13)
    addi    r3,r3,1
    std     r3,ROUND(r13)
    bl      barrier
    # The rounds of all others, in their areas.
    lis     r6,AREAS@ha
    addi    r6,r6,AREAS@l
    ld      r4,ROUND(r13)
    mtctr   r31
2:  ld      r5,ROUND(r6)
    cmpd    r4,r5
    bne     3f
    addi    r6,r6,0x2000
    bdnz    2b
    # Nobody goes on before all have looked.
    bl      barrier
    addi    r29,r29,-1
    cmpdi   r29,0
    bne     1b
    addi    r1,r1,80
    ld      r29,-8(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr
3:  lis     r3,text_round@ha
    addi    r3,r3,text_round@l
    b       abandon

# Waits until all r31 processors are here. The last one begins a new generation.
barrier:
    lwsync
    lis     r9,barrier_state@ha
    addi    r9,r9,barrier_state@l
    lwz     r5,4(r9)
    # The generation is read before this processor counts itself.
    lwsync
1:  lwarx   r4,0,r9
    addi    r4,r4,1
    cmpw    r4,r31
    bne     2f
    li      r4,0
2:  stwcx.  r4,0,r9
    bne     1b
    cmpwi   r4,0
    bne     3f
    lwsync
    addi    r5,r5,1
    stw     r5,4(r9)
    blr
3:  mflr    r0
    std     r0,16(r1)
4:  bl      pause
    lwz     r4,4(r9)
    cmpw    r4,r5
    beq     4b
    isync
    ld      r0,16(r1)
    mtlr    r0
    blr

# Lets the other processors run, which may need this one's host: H_CONFER to all. Changes only r0, r3, r4 and r11.
pause:
    std     r5,-8(r1)
    std     r9,-16(r1)
    std     r10,-24(r1)
    mfcr    r11
    std     r11,-32(r1)
    mfctr   r11
    std     r11,-40(r1)
    li      r3,0xe4
    li      r4,-1
    li      r5,0
    sc      1
    ld      r11,-40(r1)
    mtctr   r11
    ld      r11,-32(r1)
    mtcr    r11
    ld      r10,-24(r1)
    ld      r9,-16(r1)
    ld      r5,-8(r1)
    blr

# Each processor waits for an interrupt from the one before it, and then interrupts the one behind it: a message goes
# round, so that each gets as many as there are rounds.
pass_messages:
    mflr    r0
    std     r0,16(r1)
    std     r29,-8(r1)
    std     r28,-16(r1)
    stdu    r1,-80(r1)
    li      r3,0
    std     r3,COUNT(r13)
    li      r3,0x68
    li      r4,0xff
    sc      1
    bl      barrier
    li      r4,MESSAGES
    bl      share
    mr      r28,r4
    li      r29,0
    # The first begins.
    cmpdi   r30,0
    bne     1f
    bl      interrupt_next
1:  addi    r29,r29,1
    bl      wait_for_interrupt
    # The message ends where it began.
    cmpdi   r30,0
    bne     2f
    cmpd    r29,r28
    beq     3f
2:  bl      interrupt_next
    cmpd    r29,r28
    bne     1b
3:  bl      barrier
    mr      r4,r28
    ld      r5,COUNT(r13)
    cmpd    r4,r5
    beq     4f
    lis     r3,text_messages@ha
    addi    r3,r3,text_messages@l
    b       abandon
4:  addi    r1,r1,80
    ld      r29,-8(r1)
    ld      r28,-16(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr

# H_IPI with priority 5 to the processor behind this one.
interrupt_next:
    addi    r4,r30,1
    cmpd    r4,r31
    blt     1f
    li      r4,0
1:  sldi    r4,r4,3
    lis     r5,servers@ha
    addi    r5,r5,servers@l
    ldx     r4,r5,r4
    li      r5,5
    li      r3,0x6c
    sc      1
    cmpdi   r3,0
    beqlr
    mr      r5,r3
    li      r4,0
    lis     r3,text_ipi@ha
    addi    r3,r3,text_ipi@l
    b       abandon

# Sleeps in H_CEDE until r29 interrupts have come. They are enabled only in there, so that none comes between the look
# and the sleep.
wait_for_interrupt:
1:  ld      r4,COUNT(r13)
    cmpd    r4,r29
    bge     2f
    li      r3,0xe0
    sc      1
    mfmsr   r4
    ori     r4,r4,MSR_EE
    xori    r4,r4,MSR_EE
    mtmsrd  r4
    b       1b
2:  blr

# Accepts the interrupt, takes the request back, and ends it.
on_external:
    li      r3,0x74
    sc      1
    std     r4,XIRR(r13)
    # Nothing there: it was taken back meanwhile.
    clrldi. r5,r4,40
    beqlr
    lis     r5,0xff00
    ori     r5,r5,2
    clrldi  r5,r5,32
    cmpd    r4,r5
    bne     1f
    ld      r6,AREA_INDEX(r13)
    sldi    r6,r6,3
    lis     r7,servers@ha
    addi    r7,r7,servers@l
    ldx     r4,r7,r6
    li      r5,0xff
    li      r3,0x6c
    sc      1
    ld      r4,XIRR(r13)
    li      r3,0x64
    sc      1
    ld      r4,COUNT(r13)
    addi    r4,r4,1
    std     r4,COUNT(r13)
    blr
1:  mr      r5,r4
    lis     r4,0xff00
    ori     r4,r4,2
    clrldi  r4,r4,32
    lis     r3,text_xirr@ha
    addi    r3,r3,text_xirr@l
    b       abandon

# The sums of both runs.
totals:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r4,ADDITIONS>>16
    bl      share
    mulld   r4,r4,r31
    sldi    r4,r4,1
    lis     r5,sum_word@ha
    lwz     r5,sum_word@l(r5)
    lis     r3,text_word@ha
    addi    r3,r3,text_word@l
    bl      expect
    lis     r4,ADDITIONS>>16
    bl      share
    mulld   r4,r4,r31
    sldi    r4,r4,31
    lis     r5,sum_doubleword@ha
    ld      r5,sum_doubleword@l(r5)
    lis     r3,text_doubleword@ha
    addi    r3,r3,text_doubleword@l
    bl      expect
    li      r4,TURNS
    bl      share
    mulld   r4,r4,r31
    sldi    r4,r4,1
    lis     r5,turns@ha
    ld      r5,turns@l(r5)
    lis     r3,text_turns@ha
    addi    r3,r3,text_turns@l
    bl      expect
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

text_running:
    .asciz  "state of the first processor"
text_nobody:
    .asciz  "status of start-cpu of nobody"
text_twice:
    .asciz  "sign of the status of start-cpu of a running processor"
text_stopped:
    .asciz  "state of a processor that was not started"
text_start:
    .asciz  "status of start-cpu"
text_stop:
    .asciz  "returns of stop-self"
text_turns_differ:
    .asciz  "one of two numbers behind a lock"
text_round:
    .asciz  "round of a processor behind a barrier"
text_messages:
    .asciz  "number of inter-processor interrupts"
text_ipi:
    .asciz  "status of H_IPI"
text_xirr:
    .asciz  "XIRR"
text_word:
    .asciz  "sum by lwarx and stwcx."
text_doubleword:
    .asciz  "sum by ldarx and stdcx."
text_turns:
    .asciz  "number of turns"

# Each in a reservation granule of its own.
    .balign 128
sum_word:
    .space  128
sum_doubleword:
    .space  128
turn_lock:
    .space  128
turns:
    .space  256
# Processors that are here, generation.
barrier_state:
    .space  128
