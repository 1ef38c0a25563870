# The first process: runs each script of /programs named in `names`, `workers` at a time, tells how far it is every ten seconds,
# and ends with a verdict. `names`, `workers`, `quick` (not empty: less of
# each) and `trouble` (what the kernel says in trouble) stand above.

export PATH=/bin:/usr/bin LC_ALL=C HOME=/root quick
busybox mkdir -p /proc /sys /dev /tmp
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox mkdir -p /dev/shm
busybox mount -t tmpfs tmpfs /dev/shm
busybox mount -t tmpfs tmpfs /tmp
busybox ip link set lo up
busybox --install -s /bin
hostname pteg

uptime() {
    read up idle < /proc/uptime
    echo "${up%.*}"
}

worker() {
    for name in $names; do
        # Whoever makes the directory has the program.
        mkdir "/tmp/$name" 2> /dev/null || continue
        cd "/tmp/$name"
        began=$(uptime)
        # No standard input: nothing may wait for somebody to type. Nothing may hang either: this process would go on saying so.
        if timeout $((${#quick} ? 1200 : 7200)) sh -eu "/programs/$name" > log 2>&1 < /dev/null; then
            echo "programs: $name: ok, $(($(uptime) - began)) s"
        else
            status=$?
            echo "$name" >> /tmp/failed
            tail -n 60 log | sed "s/^/$name: /"
            echo "programs: $name: FAILED with status $status"
        fi
        : > "/tmp/$name.done"
    done
}

echo "programs: begins: Linux $(uname -r), $(nproc) processors"
n=0
while [ $n -lt "$workers" ]; do
    worker &
    n=$((n + 1))
done
beat() {
    running=
    for name in $names; do
        [ -e "/tmp/$name" ] && [ ! -e "/tmp/$name.done" ] && running="$running $name"
    done
    echo "programs: $(uptime) s: running:$running"
}
is_done() {
    for name in $names; do
        [ -e "/tmp/$name.done" ] || return 1
    done
}
beats=0
until is_done; do
    sleep 1
    beats=$((beats + 1))
    [ $((beats % 10)) -ne 0 ] || beat
done
wait

dmesg | grep -E "$trouble" && echo 'the kernel is in trouble' >> /tmp/failed
if [ -e /tmp/failed ]; then
    echo "programs: FAILED: $(tr '\n' ' ' < /tmp/failed)"
else
    echo 'programs: all passed'
fi
poweroff -f
