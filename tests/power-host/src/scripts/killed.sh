# Kills pteg again and again while a guest boots or works, at random moments, and looks at what is left on the host.

available() {
    sync
    { echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null
    awk '/^MemAvailable/ { print $2 }' /proc/meminfo
}
# Guests that the kernel has: a directory each, and files beside them.
guests() {
    ls -d /sys/kernel/debug/kvm/*/ 2>/dev/null | wc -l
}
# One may be another user's.
processes() {
    cat /proc/[0-9]*/comm 2>/dev/null | grep -c '^pteg$'
}
before=$(available)
guests_before=$(guests)
processes_before=$(processes)

seed=$(date +%s)
echo "moments are of seed $seed"
kills=0
while [ $kills -lt 10 ]; do
    if [ $((kills % 2)) = 0 ]; then
        guest="--kernel debian-6.12.vmlinux --initrd forever.initrd --append console=hvc0 --smp 2"
    else
        guest="--kernel smp-le --smp 4"
    fi
    pteg run --accel $accel --mem 256M $guest >output 2>&1 </dev/null &
    pteg=$!
    # From nothing to four seconds.
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    milliseconds=$((seed / 65536 % 4000))
    sleep $((milliseconds / 1000)).$(printf %03d $((milliseconds % 1000)))
    kill -KILL $pteg 2>/dev/null
    wait $pteg
    status=$?
    # A guest may have come to its end before.
    if [ $status != 137 ] && [ $status != 0 ]; then
        echo "killed after $milliseconds ms, it exits with $status:"
        cat output
        exit 1
    fi
    if [ "$(processes)" -gt "$processes_before" ]; then
        echo "killed after $milliseconds ms, it leaves a process"
        exit 1
    fi
    kills=$((kills + 1))
done

# The kernel gives back what a guest had after the process is gone, not before.
tries=0
while [ "$(guests)" -gt "$guests_before" ]; do
    tries=$((tries + 1))
    if [ $tries = 20 ]; then
        echo "the kernel still has a guest:"
        ls -d /sys/kernel/debug/kvm/*/
        exit 1
    fi
    sleep 1
done
tries=0
while after=$(available) && [ $((before - after)) -gt 65536 ]; do
    tries=$((tries + 1))
    if [ $tries = 20 ]; then
        echo "of $before KiB, $after KiB are left"
        exit 1
    fi
    sleep 1
done
pteg run --accel $accel --mem 64M --kernel hello-be || exit
echo "clean after $kills kills: $before KiB before, $after KiB now"
