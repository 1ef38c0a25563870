# A Linux program for ppc64le: changes its own mappings at random, and looks whether memory is what it must be.
#
#   churn SEED OPERATIONS PROCESSORS
#
# Ends with 0, or says on standard error what is wrong and ends with 1. No stack is used, so that a thread needs none.
#
# It has a private region of 64 chunks of 64 KiB (a multiple of every page size) and a shared one. The private one is looked at in
# units of 4 KiB: what the first and the last doubleword of each must be stands in a ledger, zero for a unit
# that was not written since it was mapped.
#
#   r31 random state        r27 operations left       r22 chunk, r23 chunks     of the range
#   r30 private region      r19 tag to write          r24 address, r25 bytes
#   r29 shared region       r18 generation of forks   r21 unit, r26 units
#   r28 a place to move to  r17 the operation         r15 the child, r14 processors

.equ SYS_EXIT,1
.equ SYS_FORK,2
.equ SYS_WRITE,4
.equ SYS_EXECVE,11
.equ SYS_MMAP,90
.equ SYS_MUNMAP,91
.equ SYS_WAIT4,114
.equ SYS_CLONE,120
.equ SYS_MPROTECT,125
.equ SYS_MREMAP,163
.equ SYS_MADVISE,205
.equ SYS_SCHED_SETAFFINITY,222
.equ PROT_READ,1
.equ READ_WRITE,3
.equ SHARED_ANONYMOUS,0x21
.equ PRIVATE_ANONYMOUS,0x22
.equ MAP_FIXED,0x10
.equ DONTNEED,4
.equ MAYMOVE_FIXED,3
.equ EFAULT,14
# The same memory, files and signal handlers; SIGCHLD at the end.
.equ THREAD,0xf00+17

.equ CHUNKS,64
.equ UNITS,1024
.equ SHARED_UNITS,256
# Chunks of a range at most.
.equ MOST,8
# A child of a child of a child forks no more.
.equ GENERATIONS,3
# Times that a range is replaced under a thread.
.equ REPLACEMENTS,6

    ld      r3,24(r1)
    bl      number
    mr      r27,r3
    ld      r3,32(r1)
    bl      number
    mr      r14,r3
    ld      r3,16(r1)
    bl      number
    # Never 0, and far apart for neighbours.
    lis     r4,mixer@ha
    ld      r4,mixer@l(r4)
    mulld   r31,r3,r4
    ori     r31,r31,1
    li      r18,0

    lis     r4,CHUNKS
    li      r6,PRIVATE_ANONYMOUS
    bl      map
    mr      r30,r3
    lis     r4,MOST
    li      r6,PRIVATE_ANONYMOUS
    bl      map
    mr      r28,r3
    bl      map_shared

loop:
    cmpdi   r27,0
    beq     finished
    addi    r27,r27,-1
    li      r3,(operations_end-operations)/4
    bl      below
    mr      r17,r3
    sldi    r3,r3,2
    lis     r4,operations@ha
    addi    r4,r4,operations@l
    add     r4,r4,r3
    mtctr   r4
    bctr
operations:
    b       op_write
    b       op_write
    b       op_look
    b       op_protect
    b       op_protect
    b       op_replace
    b       op_replace
    b       op_drop
    b       op_move
    b       op_fork
    b       op_exec
    b       op_share
    b       op_thread
    b       op_migrate
operations_end:

finished:
    bl      whole
    bl      look
exit:
    li      r3,0
    li      r0,SYS_EXIT
    sc

# Writes a range.
op_write:
    bl      range
    bl      new_tag
    bl      write
    b       loop

# Looks at a range.
op_look:
    bl      range
    bl      look
    b       loop

# Makes a range read-only, looks at it, makes it writable again and writes it.
op_protect:
    bl      range
    li      r5,PROT_READ
    bl      protect
    bl      look
    li      r5,READ_WRITE
    bl      protect
    bl      new_tag
    bl      write
    b       loop

# Maps new memory over a range.
op_replace:
    bl      range
    bl      replace
    bl      look
    b       loop

# Gives the memory of a range back.
op_drop:
    bl      range
    mr      r3,r24
    mr      r4,r25
    li      r5,DONTNEED
    li      r0,SYS_MADVISE
    sc
    bso     failed
    bl      forget
    bl      look
    b       loop

# Moves a range elsewhere and back, if it is one mapping to the kernel.
op_move:
    bl      range
    mr      r3,r24
    mr      r7,r28
    bl      try_move
    bns     1f
    cmpdi   r3,EFAULT
    beq     loop
    b       failed
1:
    mr      r3,r28
    mr      r7,r24
    bl      move
    bl      look
    # What lay there is gone.
    mr      r3,r28
    lis     r4,MOST
    li      r6,PRIVATE_ANONYMOUS|MAP_FIXED
    bl      map_at
    b       loop

# Both of two processes write a range of the memory that they have in common until they write it; the child may go on.
op_fork:
    bl      range
    bl      new_tag
    mr      r16,r19
    bl      new_tag
    li      r0,SYS_FORK
    sc
    bso     failed
    cmpdi   r3,0
    beq     1f
    mr      r15,r3
    bl      write
    bl      wait
    bl      whole
    bl      look
    b       loop
1:  mr      r19,r16
    bl      write
    bl      whole
    bl      look
    addi    r18,r18,1
    cmpdi   r18,GENERATIONS
    bge     exit
    # The shared region is the parent's; this process has one of its own from here on.
    mr      r3,r29
    lis     r4,SHARED_UNITS/16
    li      r0,SYS_MUNMAP
    sc
    bso     failed
    bl      map_shared
    li      r27,4
    b       loop

# Another program.
op_exec:
    li      r0,SYS_FORK
    sc
    bso     failed
    cmpdi   r3,0
    beq     1f
    mr      r15,r3
    bl      wait
    b       loop
1:  lis     r3,program@ha
    addi    r3,r3,program@l
    lis     r4,arguments@ha
    addi    r4,r4,arguments@l
    addi    r5,r4,16
    li      r0,SYS_EXECVE
    sc
    b       failed

# A parent and a child write every other unit of shared memory.
op_share:
    bl      new_tag
    li      r0,SYS_FORK
    sc
    bso     failed
    cmpdi   r3,0
    beq     1f
    mr      r15,r3
    mr      r8,r29
    bl      write_shared
    bl      wait
    li      r9,SHARED_UNITS
    mtctr   r9
    mr      r8,r29
2:  add     r10,r19,r8
    ld      r11,0(r8)
    cmpd    r10,r11
    bne     wrong
    addi    r8,r8,4096
    bdnz    2b
    b       loop
1:  addi    r8,r29,4096
    bl      write_shared
    b       exit

# Maps new memory over a range again and again while a thread reads it. `published` is the number of the last mapping: from then
# on the thread may find nothing older.
op_thread:
    bl      range
    lis     r20,published@ha
    addi    r20,r20,published@l
    li      r3,0
    std     r3,0(r20)
    std     r3,8(r20)
    li      r3,THREAD
    li      r4,0
    li      r5,0
    li      r6,0
    li      r7,0
    li      r0,SYS_CLONE
    sc
    bso     failed
    cmpdi   r3,0
    beq     thread
    mr      r15,r3
    li      r16,1
1:  bl      replace
    sync
    std     r16,0(r20)
    mtctr   r26
    mr      r8,r24
2:  std     r16,0(r8)
    addi    r8,r8,4096
    bdnz    2b
    addi    r16,r16,1
    cmpdi   r16,REPLACEMENTS
    ble     1b
    sync
    std     r16,8(r20)
    bl      wait
    bl      replace
    bl      look
    b       loop

thread:
    mtctr   r26
    mr      r8,r24
1:  ld      r10,0(r20)
    sync
    ld      r11,0(r8)
    cmpdi   r11,0
    beq     2f
    cmpld   r11,r10
    blt     wrong
2:  addi    r8,r8,4096
    bdnz    1b
    ld      r3,8(r20)
    cmpdi   r3,0
    beq     thread
    b       exit

# Goes to one processor, or lets the kernel choose.
op_migrate:
    sldi    r3,r14,1
    bl      below
    li      r4,-1
    cmpd    r3,r14
    bge     1f
    li      r4,1
    sld     r4,r4,r3
1:  lis     r5,mask@ha
    addi    r5,r5,mask@l
    std     r4,0(r5)
    li      r3,0
    li      r4,8
    li      r0,SYS_SCHED_SETAFFINITY
    sc
    bso     failed
    b       loop

# The decimal number at r3.
number:
    li      r4,0
1:  lbz     r5,0(r3)
    addi    r5,r5,-48
    cmpldi  r5,9
    bgt     2f
    mulli   r4,r4,10
    add     r4,r4,r5
    addi    r3,r3,1
    b       1b
2:  mr      r3,r4
    blr

# A random number: xorshift.
next:
    sldi    r3,r31,13
    xor     r31,r31,r3
    srdi    r3,r31,7
    xor     r31,r31,r3
    sldi    r3,r31,17
    xor     r31,r31,r3
    mr      r3,r31
    blr

# A random number below r3.
below:
    mflr    r6
    mr      r5,r3
    bl      next
    mtlr    r6
    srdi    r3,r3,11
    divdu   r4,r3,r5
    mulld   r4,r4,r5
    subf    r3,r4,r3
    blr

# A tag in r19: with its address added, no doubleword is another's.
new_tag:
    mflr    r6
    bl      next
    mtlr    r6
    ori     r19,r3,1
    blr

# A random range of the private region.
range:
    mflr    r7
    li      r3,MOST
    bl      below
    addi    r23,r3,1
    li      r3,CHUNKS-MOST
    bl      below
    mr      r22,r3
    mtlr    r7
1:  sldi    r21,r22,4
    sldi    r26,r23,4
    sldi    r24,r22,16
    add     r24,r24,r30
    sldi    r25,r23,16
    blr

# All of it.
whole:
    li      r22,0
    li      r23,CHUNKS
    b       1b

# The ledger's doubleword before the range's first, in r9.
ledger_of_range:
    lis     r9,ledger@ha
    addi    r9,r9,ledger@l-8
    sldi    r10,r21,3
    add     r9,r9,r10
    blr

# Writes the range with the tag.
write:
    mflr    r6
    bl      ledger_of_range
    mtlr    r6
    mr      r8,r24
    mtctr   r26
1:  add     r10,r19,r8
    std     r10,0(r8)
    std     r10,4088(r8)
    stdu    r10,8(r9)
    addi    r8,r8,4096
    bdnz    1b
    blr

# Writes every other unit of the shared region with the tag, from r8 on.
write_shared:
    li      r9,SHARED_UNITS/2
    mtctr   r9
1:  add     r10,r19,r8
    std     r10,0(r8)
    addi    r8,r8,8192
    bdnz    1b
    blr

# The range must be what the ledger says.
look:
    mflr    r6
    bl      ledger_of_range
    mtlr    r6
    mr      r8,r24
    mtctr   r26
1:  ldu     r10,8(r9)
    ld      r11,0(r8)
    cmpd    r10,r11
    bne     wrong
    ld      r11,4088(r8)
    cmpd    r10,r11
    bne     wrong
    addi    r8,r8,4096
    bdnz    1b
    blr

# The range is zero from now on.
forget:
    mflr    r6
    bl      ledger_of_range
    mtlr    r6
    li      r10,0
    mtctr   r26
1:  stdu    r10,8(r9)
    bdnz    1b
    blr

# Protects the range as r5 says.
protect:
    mr      r3,r24
    mr      r4,r25
    li      r0,SYS_MPROTECT
    sc
    bso     failed
    blr

# Maps new memory over the range.
replace:
    mflr    r13
    mr      r3,r24
    mr      r4,r25
    li      r6,PRIVATE_ANONYMOUS|MAP_FIXED
    bl      map_at
    bl      forget
    mtlr    r13
    blr

# Moves as many bytes as the range has from r3 to r7.
move:
    mflr    r13
    bl      try_move
    mtlr    r13
    bso     failed
    blr
try_move:
    mr      r4,r25
    mr      r5,r25
    li      r6,MAYMOVE_FIXED
    li      r0,SYS_MREMAP
    sc
    blr

# The shared region.
map_shared:
    mflr    r13
    lis     r4,SHARED_UNITS/16
    li      r6,SHARED_ANONYMOUS
    bl      map
    mr      r29,r3
    mtlr    r13
    blr

# Maps r4 bytes of memory with the flags r6, at r3 or anywhere; where, in r3.
map:
    li      r3,0
map_at:
    li      r5,READ_WRITE
    li      r7,-1
    li      r8,0
    li      r0,SYS_MMAP
    sc
    bso     failed
    blr

# The child r15 must end well.
wait:
    mr      r3,r15
    lis     r4,status@ha
    addi    r4,r4,status@l
    li      r5,0
    li      r6,0
    li      r0,SYS_WAIT4
    sc
    bso     failed
    lis     r4,status@ha
    lwz     r11,status@l(r4)
    cmpwi   r11,0
    beqlr
    li      r8,0
    li      r10,0
    lis     r4,text_child@ha
    addi    r4,r4,text_child@l
    li      r5,text_child_end-text_child
    b       say

# A system call failed: the operation, 0, the error.
failed:
    mr      r11,r3
    mr      r8,r17
    li      r10,0
    lis     r4,text_failed@ha
    addi    r4,r4,text_failed@l
    li      r5,text_failed_end-text_failed
    b       say

# Wrong contents: r8 address, r10 what it must be (or the least), r11 what it is.
wrong:
    lis     r4,text_wrong@ha
    addi    r4,r4,text_wrong@l
    li      r5,text_wrong_end-text_wrong

# Says the text of r5 bytes at r4 with the numbers r8, r10, r11 and the operation, and ends with 1.
say:
    lis     r9,line@ha
    addi    r9,r9,line@l-1
    addi    r4,r4,-1
    mtctr   r5
1:  lbzu    r3,1(r4)
    stbu    r3,1(r9)
    bdnz    1b
    bl      hexadecimal
    mr      r8,r10
    bl      hexadecimal
    mr      r8,r11
    bl      hexadecimal
    mr      r8,r17
    bl      hexadecimal
    li      r3,10
    stbu    r3,1(r9)
    li      r3,2
    lis     r4,line@ha
    addi    r4,r4,line@l
    subf    r5,r4,r9
    addi    r5,r5,1
    li      r0,SYS_WRITE
    sc
    li      r3,1
    li      r0,SYS_EXIT
    sc

# Puts a space and r8 in sixteen digits behind r9.
hexadecimal:
    li      r3,32
    stbu    r3,1(r9)
    li      r3,16
    mtctr   r3
1:  rldicl  r8,r8,4,0
    clrldi  r3,r8,60
    cmpldi  r3,9
    ble     2f
    addi    r3,r3,39
2:  addi    r3,r3,48
    stbu    r3,1(r9)
    bdnz    1b
    blr

text_wrong:
    .ascii  "churn: wrong contents: address, must be, is, operation:"
text_wrong_end:
text_failed:
    .ascii  "churn: a system call failed: operation, 0, error, operation:"
text_failed_end:
text_child:
    .ascii  "churn: a child failed: 0, 0, status, operation:"
text_child_end:
program:
    .asciz  "/bin/busybox"
argument:
    .asciz  "true"
    .balign 8
# The second zero is the end of the environment.
arguments:
    .quad   program,argument,0
mixer:
    .quad   0x9e3779b97f4a7c15
mask:
    .quad   0
status:
    .quad   0
published:
    .quad   0,0
line:
    .space  160
ledger:
    .space  8*UNITS
