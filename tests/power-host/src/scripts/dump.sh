# A dump of a paused run is what memory is; the guest goes on after it. Only where the processors are emulated can a run that is not
# paused be dumped.

start
if [ $accel = kvm ]; then
    pteg ctl socket dump $PWD/dump >answer 2>&1 && fail "a run under KVM is dumped while it runs"
    grep -q 'KVM-PR gives nobody a say before a store: pause the run first' answer || fail "$(cat answer)"
    [ ! -e dump ] || fail "what is refused leaves a file"
fi
dumps=0
while [ $dumps -lt $((2 + often / 50)) ]; do
    rm -f dump
    pteg ctl socket pause || fail "no pause"
    pteg ctl socket dump $PWD/dump >answer || fail "no dump"
    [ "$(stat -c %a dump)" = 600 ] || fail "the dump is for others, too"
    cmp dump $ram || fail "the dump is not what memory is"
    # In holes: the file has less than memory's 262,144 blocks.
    [ "$(stat -c %b dump)" -lt 100000 ] || fail "it has $(stat -c %b dump) blocks"
    pteg ctl socket resume || fail "it does not go on"
    rise
    cmp -s dump $ram && fail "nothing changes after a dump"
    dumps=$((dumps + 1))
done
rm -f dump
echo "the same in $dumps dumps"
end
