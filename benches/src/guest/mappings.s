# A Linux program for ppc64le: forty times, map 8 MiB, write to every 4 KiB of it, make it read-only and read it,
# make it writable again and write it, unmap it. Exits with 0, or 1 if a system call fails.

.equ SYS_EXIT,1
.equ SYS_MMAP,90
.equ SYS_MUNMAP,91
.equ SYS_MPROTECT,125
.equ READ,1
.equ READ_WRITE,3
.equ PRIVATE_ANONYMOUS,0x22

    li      r31,40
round:
    li      r3,0
    lis     r4,8<<4
    li      r5,READ_WRITE
    li      r6,PRIVATE_ANONYMOUS
    li      r7,-1
    li      r8,0
    li      r0,SYS_MMAP
    sc
    bso     failed
    mr      r30,r3

    bl      write_all
    li      r5,READ
    bl      protect
    li      r9,2048
    mtctr   r9
    mr      r9,r30
1:  ld      r10,0(r9)
    addi    r9,r9,4096
    bdnz    1b
    li      r5,READ_WRITE
    bl      protect
    bl      write_all

    mr      r3,r30
    lis     r4,8<<4
    li      r0,SYS_MUNMAP
    sc
    bso     failed

    addi    r31,r31,-1
    cmpdi   r31,0
    bne     round
    li      r3,0
    b       exit
failed:
    li      r3,1
exit:
    li      r0,SYS_EXIT
    sc

# Writes to every 4 KiB of the mapping at r30.
write_all:
    li      r9,2048
    mtctr   r9
    mr      r9,r30
1:  std     r31,0(r9)
    addi    r9,r9,4096
    bdnz    1b
    blr

# Protects the mapping at r30 as r5 says.
protect:
    mr      r3,r30
    lis     r4,8<<4
    li      r0,SYS_MPROTECT
    sc
    bso     failed
    blr
