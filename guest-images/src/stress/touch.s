# Loads, stores and fetches through the table, of pages of any processor's, and what may become of them.
#
# The page's state is read before the access and after it, each with a full barrier between: if nothing has changed, the access was made
# while the entry was as the state says.

# Processor r3, its page r4, and r5 = 0 for a load, 1 for a store. r19 = record, r20 = state before, r21 = tag that is
# mapped, r22 = whether it is a store, r23 = what was loaded. Of a page with code, half of the loads are fetches: the code loads the lower half
# of the tag, and traps.
touch:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    mr      r22,r5
    clrldi  r6,r4,61
    srdi    r7,r28,34
    andi.   r7,r7,8
    or      r6,r6,r7
    sldi    r7,r22,4
    or      r6,r6,r7
    cmpdi   cr7,r6,CODE_PAGE+8
    sldi    r19,r3,BLOCK_SHIFT
    sldi    r5,r4,RECORD_SHIFT
    add     r19,r19,r5
    addis   r19,r19,(BLOCKS+RECORDS)@ha
    addi    r19,r19,(BLOCKS+RECORDS)@l
    ld      r20,STATE(r19)
    sync
    ld      r21,TAG(r19)
    ld      r3,ADDRESS(r19)
    # Whoever stores says who it is, and to which page.
    ld      r7,ID(r19)
    sldi    r8,r30,16
    or      r7,r7,r8
    li      r6,0
    li      r23,0
    cmpdi   r22,0
    beq     cr7,touch_fetch
    mtmsrd  r15
    isync
    bne     touch_store
touch_load:
    ld      r23,TAG_AT(r3)
    b       1f
touch_store:
    std     r7,MARK_AT(r3)
    b       1f
touch_fetch:
    extsw   r21,r21
    addi    r3,r3,CODE_AT
    mtsrr0  r3
    ori     r4,r16,0x20
    mtsrr1  r4
    rfid
touch_fetched:
1:  mtmsrd  r16
    isync
    sync
    # r4 = 0 if the state is the same still; r6 = 0 or DSISR.
    ld      r4,STATE(r19)
    xor     r4,r4,r20
    clrldi  r7,r20,62
    ld      r5,TOUCHES(r29)
    addi    r5,r5,1
    std     r5,TOUCHES(r29)
    cmpdi   r6,0
    bne     touch_failed
    cmpdi   r22,0
    bne     touch_stored
    # The page's own number, and not that it is closed.
    ld      r9,ID(r19)
    clrldi  r8,r23,48
    cmpd    r8,r9
    lis     r3,found_foreign_load@ha
    addi    r3,r3,found_foreign_load@l
    bne     touch_wrong
    sradi   r8,r23,16
    cmpdi   r8,-1
    lis     r3,found_stale_load@ha
    addi    r3,r3,found_stale_load@l
    beq     touch_wrong
    cmpdi   r4,0
    bne     touch_done
    cmpdi   r7,GONE
    beq     touch_wrong
    cmpdi   r7,CHANGING
    beq     touch_done
    lis     r3,found_other_tag@ha
    addi    r3,r3,found_other_tag@l
    cmpd    r23,r21
    bne     touch_wrong
    b       touch_seen
touch_stored:
    cmpdi   r4,0
    bne     touch_done
    cmpdi   r7,CHANGING
    beq     touch_done
    lis     r3,found_stale_store@ha
    addi    r3,r3,found_stale_store@l
    cmpdi   r7,READ_WRITE
    bne     touch_wrong
# It has used the page in that state.
touch_seen:
    std     r20,SEEN(r19)
    ld      r5,JUDGED(r29)
    addi    r5,r5,1
    std     r5,JUDGED(r29)
touch_done:
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr
touch_wrong:
    mr      r4,r21
    mr      r5,r23
    ld      r6,ID(r19)
    b       finding

# It was an interrupt with DSISR in r6: no entry, or no right to store.
touch_failed:
    ld      r5,FAULTS(r29)
    addi    r5,r5,1
    std     r5,FAULTS(r29)
    lis     r8,0x4000
    cmpdi   r22,0
    beq     1f
    oris    r8,r8,0x200
1:  # r8 = what is in DSISR if there is no entry.
    cmpd    r6,r8
    bne     2f
    cmpdi   r4,0
    bne     touch_done
    cmpdi   r7,READ_ONLY
    blt     touch_expected
    lis     r3,found_lost@ha
    addi    r3,r3,found_lost@l
    b       3f
2:  lis     r3,found_fault@ha
    addi    r3,r3,found_fault@l
    lis     r9,0x800
    cmpdi   r22,0
    bne     4f
    # Half of an entry permits nothing, not even loads: while it changes, and no longer; and where exactness was asked for, nobody sees half of one.
    cmpd    r6,r9
    bne     3f
    lis     r7,is_exact@ha
    ld      r7,is_exact@l(r7)
    cmpdi   r7,0
    bne     3f
    clrldi  r7,r20,62
    cmpdi   r4,0
    bne     touch_done
    cmpdi   r7,CHANGING
    beq     touch_done
    b       3f
4:  oris    r9,r9,0x200
    cmpd    r6,r9
    bne     3f
    cmpdi   r4,0
    bne     touch_done
    cmpdi   r7,CHANGING
    beq     touch_done
    lis     r3,found_right@ha
    addi    r3,r3,found_right@l
    cmpdi   r7,READ_ONLY
    bne     3f
touch_expected:
    ld      r5,JUDGED(r29)
    addi    r5,r5,1
    std     r5,JUDGED(r29)
    b       touch_done
3:  mr      r4,r8
    mr      r5,r6
    ld      r6,ID(r19)
    b       finding

# Interrupts of accesses come here.
catch_faults:
    mflr    r0
    std     r0,16(r1)
    stdu    r1,-64(r1)
    li      r3,0x300
    lis     r4,data_storage@ha
    addi    r4,r4,data_storage@l
    bl      set_handler
    li      r3,0x400
    lis     r4,instruction_storage@ha
    addi    r4,r4,instruction_storage@l
    bl      set_handler
    li      r3,0x700
    lis     r4,trap@ha
    addi    r4,r4,trap@l
    bl      set_handler
    addi    r1,r1,64
    ld      r0,16(r1)
    mtlr    r0
    blr

# r6 of `touch` becomes DSISR, and it goes on behind the access.
data_storage:
    ld      r4,AREA_SRR0(r13)
    lis     r5,touch_load@ha
    addi    r5,r5,touch_load@l
    cmpd    r4,r5
    beq     1f
    lis     r5,touch_store@ha
    addi    r5,r5,touch_store@l
    cmpd    r4,r5
    beq     1f
    b       unexpected
1:  addi    r4,r4,4
    std     r4,AREA_SRR0(r13)
    ld      r4,AREA_DSISR(r13)
    std     r4,AREA_GPR0+6*8(r13)
    blr

# As of a load: SRR1 says in the same bits what DSISR would. A fetch from anywhere else is not expected.
instruction_storage:
    ld      r4,AREA_SRR1(r13)
    lis     r5,0x7800
    and.    r4,r4,r5
    bne     1f
    # None of what is known.
    li      r4,1
1:  std     r4,AREA_GPR0+6*8(r13)
# The code has been executed; or memory that is none, and what was loaded tells.
trap:
    ld      r4,AREA_SRR0(r13)
    srdi    r4,r4,46
    cmpdi   r4,EFFECTIVE>>46
    bne     unexpected
    lis     r4,touch_fetched@ha
    addi    r4,r4,touch_fetched@l
    std     r4,AREA_SRR0(r13)
    std     r16,AREA_SRR1(r13)
    blr
