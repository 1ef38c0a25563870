# Discards the memory that processors store to. Whoever goes on storing through a translation to what has gone is not seen in what memory
# is now: every place must rise again.

start
# Memory that the guest leaves alone: the host has it back.
dd if=/dev/zero of=$ram bs=1048576 seek=100 count=16 conv=notrunc 2>/dev/null || fail "no memory"
blocks=$(stat -L -c %b $ram)
pteg ctl socket discard --force 100M+16M || fail "no discard"
[ $((blocks - $(stat -L -c %b $ram))) -gt 30000 ] || fail "of $blocks blocks the host has $(stat -L -c %b $ram)"
discards=0
while [ $discards -lt $((4 + often)) ]; do
    numbers >before
    pteg ctl socket discard --force 0x2000000+64M || fail "no discard"
    await 120 have_risen || fail "stores are lost: $(paste before after)"
    discards=$((discards + 1))
done
echo "all rise after $discards discards"
end
