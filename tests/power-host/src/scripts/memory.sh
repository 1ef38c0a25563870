# What all scripts about guest memory need: a guest that stores through old mappings, `ram` to look into its memory from outside, and
# `end`.

# Starts it, with more flags for pteg, and waits until it stores. Its memory is in `$ram`.
start() {
    # What a case before this one has left here.
    rm -f typed output errors
    mkfifo typed || exit
    # Another process of the script's, to be ended with it.
    peer=
    pteg run --accel $accel --smp 3 --mem 128M --control socket "$@" --kernel old_mappings-be <typed >output 2>errors &
    pteg=$!
    exec 3>typed
    await 200 grep -q 'all rest' output || fail "the guest does not store"
    ram=/proc/$pteg/fd/$(ls -l /proc/$pteg/fd | awk '/memfd:pteg-ram/ { print $9 }')
}
fail() {
    echo "$*"
    cat output errors
    kill $pteg $peer
    exit 1
}
# Its words, until $1 seconds are over.
await() {
    left=$1
    shift
    while ! "$@"; do
        left=$((left - 1))
        [ $left -gt 0 ] && kill -0 $pteg 2>/dev/null || return 1
        sleep 1
    done
}
# The number in place $1 of processor $2, in hex. That in place 15 rests.
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
# All places rise from what they are now.
rise() {
    numbers >before
    await 120 have_risen || fail "stores are lost: $(paste before after)"
}
# Lets the guest judge itself, and end.
end() {
    echo >&3
    wait $pteg
    status=$?
    cat output
    return $status
}

