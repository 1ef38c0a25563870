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
