# A Linux program for ppc64le: takes one connection at port 1234 of AF_VSOCK and gives back what comes, until its end; then calls port
# 4321 of the host (context ID 2) and prints what it says, until its end.
#
# Ends with 0, or with the number of the step that failed, which is in r31. r30 is the socket, r29 a connection, and below the stack pointer is
# a place for 4,096 bytes.

.equ SYS_EXIT,1
.equ SYS_READ,3
.equ SYS_WRITE,4
.equ SYS_CLOSE,6
.equ SYS_SOCKET,326
.equ SYS_BIND,327
.equ SYS_CONNECT,328
.equ SYS_LISTEN,329
.equ SYS_ACCEPT,330
.equ AF_VSOCK,40
.equ SOCK_STREAM,1
.equ ADDRESS_BYTES,16

    li      r31,1
    bl      socket
    li      r31,2
    mr      r3,r30
    lis     r4,here@ha
    addi    r4,r4,here@l
    li      r5,ADDRESS_BYTES
    li      r0,SYS_BIND
    sc
    bso     failed
    li      r31,3
    mr      r3,r30
    li      r4,1
    li      r0,SYS_LISTEN
    sc
    bso     failed
    li      r31,4
    mr      r3,r30
    li      r4,0
    li      r5,0
    li      r0,SYS_ACCEPT
    sc
    bso     failed
    mr      r29,r3
    mr      r28,r3
    li      r31,5
    bl      copy
    mr      r3,r29
    li      r0,SYS_CLOSE
    sc
    bso     failed

    li      r31,6
    bl      socket
    li      r31,7
    mr      r3,r30
    lis     r4,there@ha
    addi    r4,r4,there@l
    li      r5,ADDRESS_BYTES
    li      r0,SYS_CONNECT
    sc
    bso     failed
    mr      r29,r30
    li      r28,1
    li      r31,8
    bl      copy
    li      r31,0
failed:
    mr      r3,r31
    li      r0,SYS_EXIT
    sc

# A new socket, in r30.
socket:
    li      r3,AF_VSOCK
    li      r4,SOCK_STREAM
    li      r5,0
    li      r0,SYS_SOCKET
    sc
    bso     failed
    mr      r30,r3
    blr

# Copies what comes from r29 to r28 until its end.
copy:
    addi    r26,r1,-8192
1:  mr      r3,r29
    mr      r4,r26
    li      r5,4096
    li      r0,SYS_READ
    sc
    bso     failed
    mr      r27,r3
    mr      r25,r26
    cmpdi   r27,0
    beqlr
2:  mr      r3,r28
    mr      r4,r25
    mr      r5,r27
    li      r0,SYS_WRITE
    sc
    bso     failed
    add     r25,r25,r3
    subf    r27,r3,r27
    cmpdi   r27,0
    bgt     2b
    b       1b

    .balign 8
# Family, port, context ID: any, and the host's.
here:
    .quad   0x000004d200000028,0x00000000ffffffff
there:
    .quad   0x000010e100000028,2
