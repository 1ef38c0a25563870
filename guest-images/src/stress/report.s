# What users are told: how it goes, what came of it, and what was found. Each line begins with `stress: `; numbers are decimal, or
# hexadecimal behind 0x.

# `stress: at T ms: O operations, C hypercalls, A accesses`.
say_progress:
    mflr    r0
    std     r0,16(r1)
    std     r24,-8(r1)
    std     r25,-16(r1)
    stdu    r1,-96(r1)
    lis     r3,text_at_time@ha
    addi    r3,r3,text_at_time@l
    mftb    r4
    ld      r5,BEGAN(r29)
    subf    r4,r5,r4
    bl      put_milliseconds
    lis     r3,text_progress@ha
    addi    r3,r3,text_progress@l
    li      r4,OPERATIONS
    li      r5,1
    bl      put_sum
    lis     r3,text_calls@ha
    addi    r3,r3,text_calls@l
    li      r4,CALLS
    li      r5,CALL_KINDS
    bl      put_sum
    lis     r3,text_accesses@ha
    addi    r3,r3,text_accesses@l
    li      r4,TOUCHES
    li      r5,1
    bl      put_sum
    bl      end_line
    addi    r1,r1,96
    ld      r24,-8(r1)
    ld      r25,-16(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr

# The text r3 and r4 ticks as milliseconds.
put_milliseconds:
    mulli   r4,r4,1000
    lis     r5,timebase_hz@ha
    ld      r5,timebase_hz@l(r5)
    divdu   r4,r4,r5
    b       put_count

# The text r3, and the sum of r5 counters from offset r4 of all processors' blocks.
put_sum:
    lis     r9,BLOCKS>>16
    add     r9,r9,r4
    mr      r8,r31
    li      r4,0
1:  mtctr   r5
    mr      r7,r9
2:  ld      r6,0(r7)
    add     r4,r4,r6
    addi    r7,r7,8
    bdnz    2b
    addis   r9,r9,1<<(BLOCK_SHIFT-16)
    addi    r8,r8,-1
    cmpdi   r8,0
    bne     1b
    b       put_count

# At the end, a line for each processor and one for each hypercall. r24 = number.
report:
    mflr    r0
    std     r0,16(r1)
    std     r24,-8(r1)
    std     r25,-16(r1)
    stdu    r1,-96(r1)
    li      r24,0
1:  sldi    r25,r24,BLOCK_SHIFT
    addis   r25,r25,BLOCKS>>16
    lis     r3,text_processor@ha
    addi    r3,r3,text_processor@l
    mr      r4,r24
    bl      put_count
    lis     r3,text_operations@ha
    addi    r3,r3,text_operations@l
    ld      r4,OPERATIONS(r25)
    bl      put_count
    lis     r3,text_accesses@ha
    addi    r3,r3,text_accesses@l
    ld      r4,TOUCHES(r25)
    bl      put_count
    lis     r3,text_judged@ha
    addi    r3,r3,text_judged@l
    ld      r4,JUDGED(r25)
    bl      put_count
    lis     r3,text_faults@ha
    addi    r3,r3,text_faults@l
    ld      r4,FAULTS(r25)
    bl      put_count
    lis     r3,text_ticks@ha
    addi    r3,r3,text_ticks@l
    ld      r4,TICKS(r25)
    bl      put_count
    lis     r3,text_in_calls@ha
    addi    r3,r3,text_in_calls@l
    ld      r4,CALL_TICKS(r25)
    bl      put_count
    lis     r3,text_hash@ha
    addi    r3,r3,text_hash@l
    bl      put_text
    ld      r3,HASH(r25)
    bl      put_hex
    bl      end_line
    addi    r24,r24,1
    cmpd    r24,r31
    blt     1b
    li      r24,1
2:  lis     r3,text_call@ha
    addi    r3,r3,text_call@l
    bl      put_text
    lis     r4,call_numbers@ha
    addi    r4,r4,call_numbers@l
    sldi    r5,r24,3
    ldx     r3,r4,r5
    bl      put_hex
    lis     r3,text_times@ha
    addi    r3,r3,text_times@l
    sldi    r4,r24,3
    addi    r4,r4,CALLS
    li      r5,1
    bl      put_sum
    bl      end_line
    addi    r24,r24,1
    cmpdi   r24,CALL_KINDS
    blt     2b
    lis     r3,text_ticks_of@ha
    addi    r3,r3,text_ticks_of@l
    lis     r4,timebase_hz@ha
    ld      r4,timebase_hz@l(r4)
    bl      put_count
    bl      end_line
    addi    r1,r1,96
    ld      r24,-8(r1)
    ld      r25,-16(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr

# Something is not as it must be: what (r3), of the page r6 or -1, was expected to be r4 and is r5. The first processor that comes
# here says so when the others have stopped, with the last hypercalls of each, and ends the program; nobody returns.
# r24 = processor, r25 = its block, r26 = how many of its calls are left, r27 = call.
finding:
    lis     r9,finding_lock@ha
    addi    r9,r9,finding_lock@l
1:  lwarx   r10,0,r9
    cmpwi   r10,0
    bne     park
    li      r10,1
    stwcx.  r10,0,r9
    bne     1b
    isync
    addi    r1,r13,AREA_STACK
    stdu    r1,-128(r1)
    std     r3,32(r1)
    std     r4,40(r1)
    std     r5,48(r1)
    std     r6,56(r1)
    lis     r9,stopped@ha
    li      r4,1
    sync
    stw     r4,stopped@l(r9)
    # The others look between two operations; ten seconds are enough for all that do.
    mftb    r24
    lis     r4,timebase_hz@ha
    ld      r25,timebase_hz@l(r4)
    mulli   r25,r25,10
2:  lis     r9,parked@ha
    lwz     r4,parked@l(r9)
    addi    r4,r4,1
    cmpw    r4,r31
    bge     3f
    bl      pause
    mftb    r4
    subf    r4,r24,r4
    cmpld   r4,r25
    blt     2b
3:  # Whatever the first processor has not sent yet would be in the way.
    lis     r9,console_text@ha
    addi    r9,r9,console_text@l
    li      r10,0
    stb     r10,16(r9)
    bl      end_line
    lis     r3,text_finding@ha
    addi    r3,r3,text_finding@l
    mr      r4,r30
    bl      put_count
    lis     r3,text_operation@ha
    addi    r3,r3,text_operation@l
    mr      r4,r17
    bl      put_count
    ld      r4,56(r1)
    cmpdi   r4,-1
    beq     4f
    lis     r3,text_page@ha
    addi    r3,r3,text_page@l
    srdi    r4,r4,8
    bl      put_count
    lis     r3,text_point@ha
    addi    r3,r3,text_point@l
    ld      r4,56(r1)
    clrldi  r4,r4,56
    bl      put_count
4:  lis     r3,text_colon@ha
    addi    r3,r3,text_colon@l
    bl      put_text
    ld      r3,32(r1)
    ld      r4,40(r1)
    ld      r5,48(r1)
    li      r6,0
    bl      describe
    li      r24,0
5:  sldi    r25,r24,BLOCK_SHIFT
    addis   r25,r25,BLOCKS>>16
    ld      r27,RING_NEXT(r25)
    li      r26,RING_CALLS
6:  ld      r3,CALL_NUMBER(r27)
    cmpdi   r3,0
    beq     7f
    bl      put_call
7:  addi    r27,r27,CALL_BYTES
    andi.   r4,r27,RING_BYTES-1
    bne     8f
    addi    r27,r27,-RING_BYTES
8:  addi    r26,r26,-1
    cmpdi   r26,0
    bne     6b
    addi    r24,r24,1
    cmpd    r24,r31
    blt     5b
    lis     r9,first_failure@ha
    addi    r9,r9,first_failure@l
    ld      r3,32(r1)
    std     r3,0(r9)
    ld      r4,40(r1)
    std     r4,8(r9)
    ld      r5,48(r1)
    std     r5,16(r9)
    b       finish

# A line for the call at r27 of processor r24.
put_call:
    mflr    r0
    std     r0,16(r1)
    std     r22,-8(r1)
    std     r23,-16(r1)
    stdu    r1,-96(r1)
    lis     r3,text_did@ha
    addi    r3,r3,text_did@l
    mr      r4,r24
    bl      put_count
    lis     r3,text_operation@ha
    addi    r3,r3,text_operation@l
    ld      r4,CALL_OPERATION(r27)
    bl      put_count
    lis     r3,text_colon@ha
    addi    r3,r3,text_colon@l
    bl      put_text
    li      r22,0
    b       2f
1:  li      r3,' '
    bl      put_byte
2:  ldx     r3,r27,r22
    bl      put_hex
    addi    r22,r22,8
    cmpdi   r22,CALL_STATUS
    blt     1b
    lis     r3,text_answer@ha
    addi    r3,r3,text_answer@l
    bl      put_text
3:  ldx     r3,r27,r22
    bl      put_hex
    li      r3,' '
    bl      put_byte
    addi    r22,r22,8
    cmpdi   r22,CALL_OPERATION
    blt     3b
    bl      end_line
    addi    r1,r1,96
    ld      r22,-8(r1)
    ld      r23,-16(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr

# Counts itself, and stays here until another processor ends the program.
park:
    li      r4,1
    bl      count_parked
1:  bl      pause
    b       1b

# r4 more processors are parked.
count_parked:
    lis     r9,parked@ha
    addi    r9,r9,parked@l
1:  lwarx   r10,0,r9
    add     r10,r10,r4
    stwcx.  r10,0,r9
    bne     1b
    blr

take_arguments:
    mflr    r0
    std     r0,16(r1)
    std     r24,-8(r1)
    stdu    r1,-96(r1)
    # r24 = a word, its value if it is not said, and where it goes.
    lis     r24,words@ha
    addi    r24,r24,words@l
1:  ld      r3,0(r24)
    cmpdi   r3,0
    beq     2f
    ld      r4,8(r24)
    bl      argument
    ld      r4,16(r24)
    std     r3,0(r4)
    addi    r24,r24,24
    b       1b
2:  # Milliseconds become ticks.
    lis     r9,most_ticks@ha
    ld      r4,most_ticks@l(r9)
    lis     r5,timebase_hz@ha
    ld      r5,timebase_hz@l(r5)
    mulld   r4,r4,r5
    li      r6,1000
    divdu   r4,r4,r6
    std     r4,most_ticks@l(r9)
    lis     r9,next_progress@ha
    std     r5,next_progress@l(r9)
    lis     r9,table_order@ha
    ld      r4,table_order@l(r9)
    lis     r9,first_order@ha
    std     r4,first_order@l(r9)
    # 128 bytes a group. A segment has 2^16 pages, and three bits choose one in a crowd.
    addi    r4,r4,-7
    cmpdi   r4,13
    ble     3f
    li      r4,13
3:  lis     r9,crowd_shift@ha
    std     r4,crowd_shift@l(r9)
    bl      choose_page_size
    bl      choose_segment_size
    # The processors' memory must be there.
    lis     r3,text_processors_at_most@ha
    addi    r3,r3,text_processors_at_most@l
    li      r4,MOST_PROCESSORS
    mr      r5,r31
    cmpd    r5,r4
    bgt     abandon
    lis     r9,base_shift@ha
    ld      r4,base_shift@l(r9)
    addi    r4,r4,PAGES_LOG2+2
    sld     r4,r31,r4
    addis   r4,r4,FRAMES>>16
    lis     r9,memory_bytes@ha
    ld      r5,memory_bytes@l(r9)
    lis     r3,text_memory_needed@ha
    addi    r3,r3,text_memory_needed@l
    cmpld   r5,r4
    blt     abandon
    addi    r1,r1,96
    ld      r24,-8(r1)
    ld      r0,16(r1)
    mtlr    r0
    blr

# Pages of 64 KiB if they were asked for and the tree has them.
choose_page_size:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    lis     r9,base_shift@ha
    ld      r3,base_shift@l(r9)
    cmpdi   r3,16
    bne     1f
    mr      r4,r3
    bl      has_page_size
    cmpdi   r3,0
    beq     1f
    # L and LP of the segment; L and V of doubleword 0; LP and M of doubleword 1. All pages have a group of their own.
    li      r4,0x110
    lis     r9,in_segment@ha
    std     r4,in_segment@l(r9)
    li      r4,5
    lis     r9,in_first@ha
    std     r4,in_first@l(r9)
    li      r4,0x1010
    lis     r9,in_second@ha
    std     r4,in_second@l(r9)
    li      r4,8
    lis     r9,crowd@ha
    std     r4,crowd@l(r9)
    b       2f
1:  li      r4,12
    lis     r9,base_shift@ha
    std     r4,base_shift@l(r9)
2:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# Segments of 1 TiB if they were asked for: the tree must have them.
choose_segment_size:
    lis     r9,segment_shift@ha
    ld      r4,segment_shift@l(r9)
    cmpdi   r4,40
    bne     1f
    lis     r8,second_segment_size@ha
    ld      r5,second_segment_size@l(r8)
    lis     r3,text_segment_needed@ha
    addi    r3,r3,text_segment_needed@l
    cmpd    r4,r5
    bne     abandon
    # What makes the pages of a group differ is far beyond the first 256 MiB.
    li      r4,24
    lis     r9,crowd_shift@ha
    std     r4,crowd_shift@l(r9)
    # B of the segment and of doubleword 0.
    li      r4,1
    sldi    r4,r4,62
    lis     r9,in_segment@ha
    ld      r5,in_segment@l(r9)
    or      r5,r5,r4
    std     r5,in_segment@l(r9)
    lis     r9,in_first@ha
    ld      r5,in_first@l(r9)
    or      r5,r5,r4
    std     r5,in_first@l(r9)
    blr
1:  li      r4,28
    std     r4,segment_shift@l(r9)
    blr

    .balign 8
# The words of the command line.
words:
    .quad   word_seed,1,seed,word_ms,300,most_ticks,word_operations,0,most_operations
    .quad   word_base,12,base_shift,word_segment,28,segment_shift,word_crowd,7,crowd,word_resize,1,resizes,word_plant,0,plant
    .quad   0
seed:
    .quad   0
most_ticks:
    .quad   0
most_operations:
    .quad   0
base_shift:
    .quad   0
segment_shift:
    .quad   0
crowd:
    .quad   0
resizes:
    .quad   0
plant:
    .quad   0
in_segment:
    .quad   0
in_first:
    .quad   1
in_second:
    .quad   0x10
next_progress:
    .quad   0
first_order:
    .quad   0
crowd_shift:
    .quad   0
new_order:
    .quad   0
constants:
    .quad   0x9e3779b97f4a7c15,0x243f6a8885a308d3,0xbf58476d1ce4e5b9,0x94d049bb133111eb
call_numbers:
    .quad   0,4,8,0xc,0x10,0x14,0x18,0x124,0x328,0x36c,0x370

    .balign 128
# Not zero: all processors are to meet.
meeting:
    .long   0
# Not zero: the round is over.
is_over:
    .long   0
# Not zero: something was found, and all stop.
stopped:
    .long   0
was_resized:
    .long   0
    .balign 128
# One more than the number of the page that its owner turns over, or 0.
turned_over:
    .quad   0
    .balign 128
# How many have stopped, or wait for all.
parked:
    .space  128
finding_lock:
    .space  128

word_seed:
    .asciz  "seed="
word_ms:
    .asciz  "ms="
word_operations:
    .asciz  "operations="
word_base:
    .asciz  "base="
word_segment:
    .asciz  "segment="
word_crowd:
    .asciz  "crowd="
word_resize:
    .asciz  "resize="
word_plant:
    .asciz  "plant="
text_processors_at_most:
    .asciz  "number of processors"
text_segment_needed:
    .asciz  "log2 of a segment"
text_memory_needed:
    .asciz  "bytes of memory"
text_at_time:
    .asciz  "stress: at "
text_progress:
    .asciz  " ms: operations "
text_calls:
    .asciz  " calls "
text_accesses:
    .asciz  " accesses "
text_processor:
    .asciz  "stress: processor "
text_operations:
    .asciz  ": operations "
text_judged:
    .asciz  " judged "
text_faults:
    .asciz  " faults "
text_ticks:
    .asciz  " ticks "
text_in_calls:
    .asciz  " in-calls "
text_hash:
    .asciz  " hash "
text_call:
    .asciz  "stress: hypercall "
text_times:
    .asciz  " times "
text_ticks_of:
    .asciz  "stress: ticks-a-second "
text_finding:
    .asciz  "stress: finding by processor "
text_operation:
    .asciz  " in operation "
text_page:
    .asciz  " of page "
text_point:
    .asciz  "."
text_did:
    .asciz  "stress: call of processor "
text_answer:
    .asciz  " = "
found_wall:
    .asciz  "memory that no page has"
found_tag_changed:
    .asciz  "memory of a page that is gone"
found_store_after:
    .asciz  "store after the right to it was gone"
found_enter:
    .asciz  "status of H_ENTER"
found_slot:
    .asciz  "slot of H_ENTER"
found_remove:
    .asciz  "status of H_REMOVE"
found_protect:
    .asciz  "status of H_PROTECT"
found_clear:
    .asciz  "status of H_CLEAR_REF or H_CLEAR_MOD"
found_read:
    .asciz  "status of H_READ"
found_bulk:
    .asciz  "status of H_BULK_REMOVE"
found_bulk_answer:
    .asciz  "answer of H_BULK_REMOVE"
found_block:
    .asciz  "status of H_BLOCK_REMOVE"
found_block_answer:
    .asciz  "answer of H_BLOCK_REMOVE"
found_wrong:
    .asciz  "status of a call with wrong arguments"
found_prepare:
    .asciz  "status of H_RESIZE_HPT_PREPARE"
found_commit:
    .asciz  "status of H_RESIZE_HPT_COMMIT"
found_not_moved:
    .asciz  "bolted entry after a resize"
found_first:
    .asciz  "doubleword 0"
found_second:
    .asciz  "doubleword 1"
found_foreign_load:
    .asciz  "load or fetch from the memory of another page"
found_foreign_store:
    .asciz  "store to the memory of another page"
found_stale_load:
    .asciz  "load or fetch through an entry that was gone"
found_stale_store:
    .asciz  "store through an entry that was gone or read-only"
found_other_tag:
    .asciz  "load or fetch from other memory than is mapped"
found_lost:
    .asciz  "entry that must be there"
found_right:
    .asciz  "right to store"
found_fault:
    .asciz  "DSISR or SRR1 of a page fault"
found_idle_c:
    .asciz  "C without a store"
found_lost_c:
    .asciz  "C after a store"
found_lost_r:
    .asciz  "R after an access"
    .balign 8
