# Who touches withheld memory is held up at its instruction, told of, and goes on: each store is made, once, and by whom it was is right.

if [ $accel = kvm ]; then
    pteg doctor | grep '^good.*withheld' || fail "$(pteg doctor)"
fi
start
# The 64 KiB of each of the two processors in each of the four windows: no other touches them.
ranges=
for window in 0 1 2 3; do
    ranges="$ranges $((0x2000000 + window * 0x1000000 + 0x10000))+128K"
done
if [ $accel = kvm ]; then
    pteg ctl socket watch $ranges >answer 2>&1 && fail "stores alone are watched under KVM"
    grep -q 'a say before a store alone; watch loads as well' answer || fail "$(cat answer)"
fi
# Lines with frame and processor.
watch() {
    pteg ctl --json socket watch --loads --seconds $1 --most 65536 $ranges >seen || fail "no watch"
    awk '{ gsub(/[",]/, "") } $1 == "real:" { real = $2 } $1 == "processor:" { print int(real / 4096), $2 }' seen >frames
}
# A store in each place is told, of its processor.
are_told() {
    place=0
    while [ $place -lt 15 ]; do
        for processor in 1 2; do
            at=$((0x2000000 + place % 4 * 0x1000000 + processor * 0x10000 + place / 4 * 0x5000 + 0x88 * (place + 1)))
            grep -q "^$((at / 4096)) $processor$" frames || return 1
        done
        place=$((place + 1))
    done
}
watches=0
while [ $watches -lt $((3 + often / 10)) ]; do
    seconds=10
    numbers >before
    until watch $seconds && are_told; do
        seconds=$((seconds * 2))
        [ $seconds -lt 200 ] || fail "not all are told: $(cat frames)"
    done
    # A frame is told once, and only by its processor.
    [ -z "$(sort frames | uniq -d)" ] || fail "told twice: $(sort frames | uniq -d)"
    awk '{ if (int($1 / 16) % 256 != $2) exit 1 }' frames || fail "told of another processor: $(cat frames)"
    grep -q '"instruction": [0-9]' seen || fail "no instruction: $(cat seen)"
    rise
    watches=$((watches + 1))
done
echo "told of all in $watches watches"
# Whatever else is done meanwhile.
pteg ctl socket watch --loads --seconds 600 0x2000000+64M >answer 2>&1 &
watching=$!
pteg ctl socket watch --loads --seconds 600 0x3000000+32M >answer2 2>&1 &
rise
pteg ctl socket pause || fail "no pause while it is watched"
numbers >before
sleep 1
numbers >after
cmp before after || fail "somebody stores in a pause"
pteg ctl socket resume || fail "it does not go on"
pteg ctl socket unmap 0+128M >/dev/null || fail "no unmapping while it is watched"
rise
pteg ctl socket discard --force 0x2000000+64M >/dev/null || fail "no discard while it is watched"
rise
kill $watching
wait $watching
rise
echo "goes on while it is watched"
end || exit
start
pteg ctl socket watch --loads --seconds 600 0x2000000+64M >answer 2>&1 &
sleep 2
pteg ctl socket stop || fail "no stop while it is watched"
wait $pteg || fail "it ends with $?"
echo "ends while it is watched"
