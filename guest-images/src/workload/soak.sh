# The first process of a soak: two workers a processor change their mappings, fork and exec, until `seconds` are over. Every
# ten seconds a line with the guest's own counters, at the end a verdict. `seconds` and `resize` stand above.

export PATH=/bin
busybox mkdir -p /proc /sys /dev /tmp
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox mount -t tmpfs tmpfs /tmp
busybox mount -t debugfs debugfs /sys/kernel/debug
busybox --install -s /bin

processors=$(nproc)
order=/sys/kernel/debug/powerpc/hpt_order
trouble='Oops|BUG|WARNING: |Call Trace|Kernel panic|Unable to handle|self-detected stall|detected stalls|soft lockup|blocked for more than|Bad page|segfault|Out of memory'

fail() {
    echo "soak: $1"
    echo "$1" >> /tmp/failed
    : > /tmp/stop
}

worker() {
    run=0
    while [ ! -e /tmp/stop ]; do
        churn $(($1 * 1000000 + run)) 20 $processors || fail "worker $1 failed in its run $run"
        lines=$(seq 40 | sort -r | uniq | wc -l)
        [ "$lines" -eq 40 ] || fail "worker $1 counted $lines lines in its run $run"
        run=$((run + 1))
        echo >> /tmp/runs
    done
}

resizer() {
    first=$(cat $order) || fail 'the kernel does not tell the order of its page table'
    while [ ! -e /tmp/stop ]; do
        for new in $((first - 1)) $first $((first + 1)) $first; do
            [ -e /tmp/stop ] && break
            if echo $new > $order; then echo >> /tmp/resizes; else echo >> /tmp/refused; fi
            sleep 1
        done
    done 2> /dev/null
}

count() {
    stat -c %s "/tmp/$1"
}

uptime() {
    read up idle < /proc/uptime
    echo "${up%.*}"
}

progress() {
    echo "soak: $(($(uptime) - start)) s: $(count runs) runs, $(awk '/^processes/ { print $2 }' /proc/stat) processes," \
        "$(awk '/^pgfault/ { print $2 }' /proc/vmstat) page faults, $(count resizes) resizes," \
        "$(count refused) refused"
}

: > /tmp/runs
: > /tmp/resizes
: > /tmp/refused
start=$(uptime)
echo "soak: begins: Linux $(uname -r), $processors processors, $seconds s"
[ "$resize" -eq 0 ] || resizer &
worker=0
while [ $worker -lt $((2 * processors)) ]; do
    worker $worker &
    worker=$((worker + 1))
done
while left=$((start + seconds - $(uptime))); [ $left -gt 0 ] && [ ! -e /tmp/stop ]; do
    sleep $((left < 10 ? left : 10))
    progress
done
: > /tmp/stop
wait

dmesg | grep -E "$trouble" && fail 'the kernel is in trouble'
[ "$(count runs)" -gt 0 ] || fail 'no run came to its end'
[ "$resize" -eq 0 ] || [ "$(count resizes)" -ge 2 ] || fail 'the page table was not resized'
if [ -e /tmp/failed ]; then
    echo "soak: FAILED: $(head -n 1 /tmp/failed)"
else
    echo "soak: healthy: $(count runs) runs, $(count resizes) resizes"
fi
poweroff -f
