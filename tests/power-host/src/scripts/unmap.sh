# Unmaps what the processors of a guest use, in one way after the other: `figures SHIFT PROCESSORS`, pages of 2^SHIFT bytes. Says
# `unmap GUEST WAY SECONDS DELAY`: how long it took, and the longest time between two loads of a processor, by the guest's clock, from before
# that until each has gone through the memory once more; both in seconds.

mib=16
# Of a way that takes long, a part is done, and the time of the whole counted.
part=16
# For what is said where the output is a figure.
exec 5>&1
# Where this is called for a figure, `$(…) || exit`: the rest ends with it.
fail() {
    {
        echo "$*"
        cat output errors
    } >&5
    kill $pteg
    exit 1
}
# The doubleword at real address $1, which is big-endian.
doubleword() {
    printf %d 0x$(dd if=$ram bs=8 skip=$(($1 / 8)) count=1 2>/dev/null | od -An -tx1 | tr -d ' \n')
}
board=$((0x2000000 + mib * 0x100000))
# Waits until each processor has begun a sweep after this moment, and ended it.
sweep() {
    n=0
    while [ $n -lt $processors ]; do
        eval "seen$n=$(doubleword $((board + n * 128 + 8)))"
        n=$((n + 1))
    done
    n=0
    while [ $n -lt $processors ]; do
        left=1200
        while eval "[ $(doubleword $((board + n * 128 + 8))) -lt \$((seen$n + 2)) ]"; do
            left=$((left - 1))
            [ $left -gt 0 ] || fail "processor $n does not sweep"
            sleep 0.1
        done
        n=$((n + 1))
    done
}
longest() {
    n=0
    while [ $n -lt $processors ]; do
        doubleword $((board + n * 128))
        echo
        n=$((n + 1))
    done | sort -n | tail -n 1
}
forget() {
    n=0
    while [ $n -lt $processors ]; do
        dd if=/dev/zero of=$ram bs=8 seek=$(((board + n * 128) / 8)) count=1 conv=notrunc 2>/dev/null
        n=$((n + 1))
    done
}
now() {
    cut -d ' ' -f 1 /proc/uptime
}
# What pteg says that it took; $1 is how many times that is counted.
unmapped() {
    [ -z "$2" ] || echo $2 >way
    pteg ctl --json socket unmap $((0x2000000))+$3 >answer || fail "no $2"
    rm -f way
    awk -v times=$1 '/"seconds":/ { gsub(/[^0-9.e-]/, "", $2); print $2 * times }' answer
}
# The same of a request that does nothing, and of a discard.
asked() {
    began=$(now)
    pteg ctl socket info >answer || fail "no info"
    echo $began $(now) | awk '{ print $2 - $1 }'
}
discarded() {
    began=$(now)
    pteg ctl socket discard --force $((0x2000000))+${mib}M >answer || fail "no discard"
    echo $began $(now) | awk '{ print $2 - $1 }'
}
figures() {
    processors=$2
    case $1 in 12) size=4k ;; 16) size=64k ;; esac
    rm -f typed way
    mkfifo typed || exit
    PTEG_UNMAP_WAY=way pteg run --accel kvm --smp $((processors + 1)) --mem 128M --control socket --kernel sweep-be \
        --append "shift=$1 mib=$mib" <typed >output 2>errors &
    pteg=$!
    exec 3>typed
    left=300
    until grep -q 'processors sweep' output 2>/dev/null; do
        left=$((left - 1))
        [ $left -gt 0 ] && kill -0 $pteg || fail "the guest does not sweep"
        sleep 1
    done
    ram=/proc/$pteg/fd/$(ls -l /proc/$pteg/fd | awk '/memfd:pteg-ram/ { print $9 }')
    sweep
    for way in nothing pteg discard pages slot entries; do
        forget
        case $way in
        nothing) took=$(asked) ;;
        pteg) took=$(unmapped 1 "" ${mib}M) ;;
        discard) took=$(discarded) ;;
        entries) took=$(unmapped $part $size $((mib * 1024 / part))K) ;;
        *) took=$(unmapped 1 $way ${mib}M) ;;
        esac || exit
        sweep
        hz=$(awk '/^timebase/ { print $3 }' /proc/cpuinfo)
        echo "unmap $size-$processors $way $took $(longest | awk -v hz=$hz '{ print $1 / hz }')"
    done
    echo >&3
    wait $pteg || fail "it ends with $?"
    cat output
}
