#!/bin/busybox sh
# The first process of the guest whose page table is watched: every processor has the same amount of work, or none with
# bench=boot on the kernel's command line, which the kernel puts into the environment.

echo 'bench: init'
export PATH=/bin
busybox mkdir -p /proc /dev
busybox mount -t proc proc /proc
# What runs in the background reads from /dev/null.
busybox mount -t devtmpfs dev /dev

# Processes (fork, exec, exit, wait), and then mappings (mmap, mprotect, munmap).
work() {
    i=0
    while [ $i -lt 200 ]; do
        /bin/busybox true || exit 1
        i=$((i + 1))
    done
    exec /bin/mappings
}

workers=
if [ "$bench" != boot ]; then
    for processor in $(busybox grep '^processor' /proc/cpuinfo | busybox cut -d: -f2); do
        work &
        workers="$workers $!"
    done
fi
for worker in $workers; do
    wait $worker || exit
done
echo "bench: done by$workers"

busybox poweroff -f
