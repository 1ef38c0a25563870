# Discards the memory that processors store to. Whoever goes on storing through a translation to what has gone is not seen in what memory
# is now: every place must rise again.

# The number in place $1 of processor $2, in hex.
number() {
    at=$((0x2000000 + $1 % 4 * 0x1000000 + $2 * 0x10000 + $1 / 4 * 0x5000 + 0x88 * ($1 + 1)))
    dd if=$ram bs=8 skip=$((at / 8)) count=1 2>/dev/null | od -An -tx1 | tr -d ' \n'
}
numbers() {
    for place in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do
        for processor in 1 2; do
            echo $place $processor $(number $place $processor)
        done
    done
}
# Whether each of them is beyond what it was in `before`.
have_risen() {
    numbers >after
    [ "$(paste before after | awk '$3 "" < $6 "" { n++ } END { print n }')" = 30 ]
}
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
