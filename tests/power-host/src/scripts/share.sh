# Another process that shares the memory removes what processors store to, and unmaps and moves its own view of it.

start --share-memory memory
dones=0
connect() {
    rm -f deeds
    mkfifo deeds || fail "no pipe"
    : >answers
    memory_peer memory <deeds >>answers 2>&1 &
    peer=$!
    exec 4>deeds
    await 60 grep -q . answers || fail "it does not connect"
    [ "$(cat answers)" = "answer 0" ] || fail "it connects with: $(cat answers)"
    dones=0
}
is_done() {
    [ "$(grep -c '^done$' answers)" = $dones ]
}
act() {
    echo "$1 $(($2)) $(($3))" >&4
    dones=$((dones + 1))
    await 60 is_done || fail "$* is not done: $(cat answers)"
}
connect
for processor in 1 2; do
    [ "$(number 15 $processor)" = 0000000000000040 ] || fail "what is to rest is $(number 15 $processor)"
done
rounds=0
while [ $rounds -lt $((3 + often / 10)) ]; do
    numbers >before
    act remove 0x2000000 0x4000000
    for processor in 1 2; do
        case $(number 15 $processor) in
        *[!0]*) fail "what rested and was removed is there: $(number 15 $processor)" ;;
        esac
    done
    await 120 have_risen || fail "stores are lost: $(paste before after)"
    rounds=$((rounds + 1))
done
# The first doubleword of the first place: what the guest stores there the other process loads.
act load 0x2010088 0
rise
act load 0x2010088 0
[ "$(grep -c '^[0-9]*$' answers)" = 2 ] && [ "$(grep '^[0-9]*$' answers | sort -u | wc -l)" = 2 ] ||
    fail "it does not see what the guest stores: $(cat answers)"
act move 0x4000000 0x1000000
rise
act unmap 0x3000000 0x1000000
rise
kill -KILL $peer
wait $peer
peer=
exec 4>&-
rise
grep 'shares the memory' errors && fail "something was wrong with it"
echo "rises after $rounds removals"
# POWER's kernel cannot watch a file for writes. Who touches what nobody has stored to waits, until it is hung up on.
connect
echo "load $((0x7800000)) 0" >&4
await 60 grep -q '^0$' answers || fail "it does not go on by itself: $(cat answers)"
await 60 grep -q 'its userfaultfd says something that was not to be asked for (event 0x12)' errors || fail "nothing is said of it"
exec 4>&-
wait $peer
peer=
rise
end
