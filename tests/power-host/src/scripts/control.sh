# A run that is looked at, paused, resumed and stopped through its control socket, and is asked for what cannot be.

start
[ "$(stat -c %a socket)" = 600 ] || fail "the socket is for others, too: $(stat -c %a socket)"
# The answer to a request has this; the rest of it is of no interest.
has() {
    grep -q "$@" answer || fail "$* is not in: $(cat answer)"
}
ask() {
    pteg ctl socket "$@" >answer 2>&1 || fail "$*: $(cat answer)"
}
refused() {
    pteg ctl socket "$@" >answer 2>&1 && fail "$* is not refused: $(cat answer)"
}
ask info
has '^state *running'
has "^accelerator *$accel"
has '^processors *3'
has '^memory *128 MiB'
ask hpt
has 'H_ENTER'
# The guest says nothing any more, so it calls no other hypercall.
[ "$(awk '$1 == "H_ENTER" { print $2 }' answer)" -gt 30 ] || fail "too few entries: $(cat answer)"
ask metrics
has '^pteg_'
has '^# EOF'
refused unmap 127M+2M
has 'memory ends at'
refused discard 100+4K
has 'pages of 4096'
pteg run --accel $accel --mem 64M --control socket --kernel old_mappings-be >answer 2>&1 && fail "two runs have one socket"
has 'socket'
pauses=0
while [ $pauses -lt $((5 + often)) ]; do
    ask pause
    ask pause
    ask info
    has '^state *paused'
    numbers >before
    ask unmap 0+128M
    sleep 1
    numbers >after
    cmp before after || fail "somebody stores in a pause"
    ask resume
    rise
    pauses=$((pauses + 1))
done
echo "stands still in $pauses pauses and rises after each"
end || exit

for state in running paused; do
    start
    [ $state = running ] || ask pause
    ask stop
    wait $pteg || fail "it ends with $?"
    grep -q 'stopped by a request at the control socket' errors || fail "it does not say why it ends"
    [ ! -e socket ] || fail "its socket stays"
    echo "ends when it is $state"
done
