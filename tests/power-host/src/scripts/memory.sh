# What both scripts about guest memory need: a guest that stores through old mappings, `ram` to look into its memory from outside,
# and `end`.

# What a case before this one has left here.
rm -f typed output errors
mkfifo typed || exit
pteg run --accel $accel --smp 3 --mem 128M --control socket --kernel old_mappings-be <typed >output 2>errors &
pteg=$!
exec 3>typed

fail() {
    echo "$*"
    cat output errors
    kill $pteg
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
await 200 grep -q 'all rest' output || fail "the guest does not store"
ram=/proc/$pteg/fd/$(ls -l /proc/$pteg/fd | awk '/memfd:pteg-ram/ { print $9 }')

end() {
    echo >&3
    wait $pteg
    status=$?
    cat output
    exit $status
}

