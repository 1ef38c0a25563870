#!/bin/busybox sh
# The emulated host's first process: runs the scripts whose names are typed, as `protocol.rs` says, or gives a shell.

export PATH=/bin HOME=/root
busybox mkdir -p /proc /sys /dev /tmp /root
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox mkdir -p /dev/pts /dev/shm
busybox mount -t devpts devpts /dev/pts
busybox mount -t tmpfs tmpfs /dev/shm
busybox mount -t debugfs debugfs /sys/kernel/debug
busybox --install -s /bin
cd /root

if [ -e /interactive ]; then
    echo
    echo "Linux $(uname -r), $(nproc) processor(s). pteg is in PATH, files are in /root. Type exit to power off, Ctrl-A X to kill."
    setsid cttyhack sh
    poweroff -f
fi

# The console is for the scripts and for us: what the kernel says comes from its log.
dmesg -n 1
stty -echo -onlcr
echo
echo '@@power-host ready'
while read -r name && [ "$name" != poweroff ]; do
    dmesg -c >/dev/null
    echo
    echo "@@power-host begin $name"
    sh "/scripts/$name" </dev/null 2>&1
    status=$?
    echo
    dmesg -c | sed 's/^/@@power-host kernel /'
    echo "@@power-host end $name $status"
done
poweroff -f
