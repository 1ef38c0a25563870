# The flattened device tree: what a program wants to know of its machine.
# (Devicetree Specification, Flattened Devicetree Format; all its numbers are big-endian.)

# The 32 bits at r3: r3.
load_be32:
    lbz     r4,0(r3)
    lbz     r5,1(r3)
    lbz     r6,2(r3)
    lbz     r3,3(r3)
    insrdi  r3,r6,8,48
    insrdi  r3,r5,8,40
    insrdi  r3,r4,8,32
    blr

# Stores the 32 bits r4 at r3.
store_be32:
    stb     r4,3(r3)
    srdi    r4,r4,8
    stb     r4,2(r3)
    srdi    r4,r4,8
    stb     r4,1(r3)
    srdi    r4,r4,8
    stb     r4,0(r3)
    blr

# cr0 is eq if the text at r3 begins with the one at r4; then r3 is behind that beginning.
begins_with:
    lbz     r6,0(r4)
    cmpdi   r6,0
    beqlr
    lbz     r5,0(r3)
    cmpd    r5,r6
    bnelr
    addi    r3,r3,1
    addi    r4,r4,1
    b       begins_with

# Fills in what is wanted from the tree at r3. r31 = structure, r30 = strings, r29 = name of the node, r28 = name of
# the property, r27 = its value, r26 = an entry of what is wanted.
read_tree:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    mr      r30,r3
    addi    r3,r30,8
    bl      load_be32
    add     r31,r30,r3
    addi    r3,r30,12
    bl      load_be32
    add     r30,r30,r3
next_token:
    mr      r3,r31
    bl      load_be32
    addi    r31,r31,4
    cmpdi   r3,1
    beq     tree_node
    cmpdi   r3,3
    beq     tree_property
    cmpdi   r3,9
    bne     next_token
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# A node begins: its name, a zero byte, and up to the next word.
tree_node:
    mr      r29,r31
1:  lbz     r3,0(r31)
    addi    r31,r31,1
    cmpdi   r3,0
    bne     1b
    addi    r31,r31,3
    clrrdi  r31,r31,2
    b       next_token

# A property: length, offset of the name, value.
tree_property:
    addi    r3,r31,4
    bl      load_be32
    add     r28,r30,r3
    mr      r3,r31
    bl      load_be32
    addi    r27,r31,8
    add     r31,r27,r3
    addi    r31,r31,3
    clrrdi  r31,r31,2
    lis     r26,wanted@ha
    addi    r26,r26,wanted@l
1:  ld      r4,WANTED_NAME(r26)
    cmpdi   r4,0
    beq     next_token
    mr      r3,r28
    bl      begins_with
    bne     2f
    lbz     r3,0(r3)
    cmpdi   r3,0
    bne     2f
    ld      r4,WANTED_NODE(r26)
    mr      r3,r29
    bl      begins_with
    bne     2f
    bl      take_property
2:  addi    r26,r26,WANTED_BYTES
    b       1b

# Stores the value as the entry says, unless there have been enough.
take_property:
    mflr    r0
    std     r0,16(r1)
    ld      r3,WANTED_COUNT(r26)
    ld      r4,WANTED_MOST(r26)
    cmpd    r3,r4
    bgelr
    addi    r5,r3,1
    std     r5,WANTED_COUNT(r26)
    ld      r7,WANTED_TO(r26)
    sldi    r3,r3,3
    add     r7,r7,r3
    ld      r8,WANTED_CELLS(r26)
    mr      r3,r27
    cmpdi   r8,0
    beq     1f
    ld      r8,WANTED_CELL(r26)
    add     r3,r27,r8
    bl      load_be32
    ld      r8,WANTED_CELLS(r26)
    cmpdi   r8,2
    bne     1f
    sldi    r9,r3,32
    ld      r8,WANTED_CELL(r26)
    add     r3,r27,r8
    addi    r3,r3,4
    bl      load_be32
    or      r3,r3,r9
1:  std     r3,0(r7)
    ld      r0,16(r1)
    mtlr    r0
    blr

# Says in r3 whether the tree has, for segments with pages of 2^r3 bytes, pages of 2^r4.
has_page_size:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    mr      r7,r3
    mr      r8,r4
    lis     r9,segment_page_sizes@ha
    ld      r9,segment_page_sizes@l(r9)
    addi    r3,r9,-8
    bl      load_be32
    add     r10,r9,r3
    # A base size at r9: its shift, its encoding, how many sizes there are, and for each its shift and its encoding.
1:  cmpd    r9,r10
    bge     4f
    mr      r3,r9
    bl      load_be32
    mr      r11,r3
    addi    r3,r9,8
    bl      load_be32
    mtctr   r3
    addi    r9,r9,12
2:  mr      r3,r9
    bl      load_be32
    cmpd    r3,r8
    bne     3f
    cmpd    r11,r7
    beq     5f
3:  addi    r9,r9,8
    bdnz    2b
    b       1b
4:  li      r3,0
    b       6f
5:  li      r3,1
6:  addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# What is wanted: the name of the property and how the node's name begins, where in the value it is (offset in bytes,
# cells of 32 bits; of none it is the value's address), where it goes, of how many nodes at most, and how many there have
# been.
.equ WANTED_NAME,0
.equ WANTED_NODE,8
.equ WANTED_CELL,16
.equ WANTED_CELLS,24
.equ WANTED_TO,32
.equ WANTED_MOST,40
.equ WANTED_COUNT,48
.equ WANTED_BYTES,56
    .balign 8
wanted:
    .quad   text_power_off,text_rtas,0,1,token_power_off,1,0
    .quad   text_reboot,text_rtas,0,1,token_reboot,1,0
    .quad   text_start_cpu,text_rtas,0,1,token_start_cpu,1,0
    .quad   text_stop_self,text_rtas,0,1,token_stop_self,1,0
    .quad   text_query,text_rtas,0,1,token_query_stopped,1,0
    .quad   text_reg,text_vty,0,1,terminal,1,0
    .quad   text_reg,text_memory,8,2,memory_bytes,1,0
    .quad   text_timebase,text_any,0,1,timebase_hz,1,0
    .quad   text_pft_size,text_any,4,1,table_order,1,0
    .quad   text_bootargs,text_chosen,0,0,command_line,1,0
    .quad   text_page_sizes,text_any,0,0,segment_page_sizes,1,0
    .quad   text_segment_sizes,text_any,4,1,second_segment_size,1,0
processors_wanted:
    .quad   text_servers,text_any,0,1,servers,64,0
    .quad   0

.equ processor_count,processors_wanted+WANTED_COUNT

token_power_off:
    .quad   0
token_reboot:
    .quad   0
token_start_cpu:
    .quad   0
token_stop_self:
    .quad   0
token_query_stopped:
    .quad   0
# Unit address of the console.
terminal:
    .quad   0
# Size of the first memory node.
memory_bytes:
    .quad   0
timebase_hz:
    .quad   0
# log2 of the hashed page table's bytes.
table_order:
    .quad   0
# Address of the kernel's command line in the tree, or zero.
command_line:
    .quad   0
# Address of ibm,segment-page-sizes in the tree, behind its length in bytes (two words before), or zero.
segment_page_sizes:
    .quad   0
# log2 of the bytes of a segment with B = 1, or something else where there are none.
second_segment_size:
    .quad   0
# Interrupt server numbers of the processors.
servers:
    .space  64*8

text_power_off:
    .asciz  "power-off"
text_reboot:
    .asciz  "system-reboot"
text_start_cpu:
    .asciz  "start-cpu"
text_stop_self:
    .asciz  "stop-self"
text_query:
    .asciz  "query-cpu-stopped-state"
text_reg:
    .asciz  "reg"
text_timebase:
    .asciz  "timebase-frequency"
text_pft_size:
    .asciz  "ibm,pft-size"
text_bootargs:
    .asciz  "bootargs"
text_chosen:
    .asciz  "chosen"
text_page_sizes:
    .asciz  "ibm,segment-page-sizes"
text_segment_sizes:
    .asciz  "ibm,processor-segment-sizes"
text_servers:
    .asciz  "ibm,ppc-interrupt-server#s"
text_rtas:
    .asciz  "rtas"
text_vty:
    .asciz  "vty@"
text_memory:
    .asciz  "memory@"
text_any:
    .asciz  ""
    .balign 4
