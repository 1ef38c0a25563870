#!/bin/busybox sh
# The guest's first process: makes the place habitable, runs /script or else a shell, and powers off.

export PATH=/bin HOME=/root
busybox mkdir -p /proc /sys /dev /tmp /root
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox mkdir -p /dev/pts
busybox mount -t devpts devpts /dev/pts
busybox --install -s /bin
cd /root

# Drivers for the devices on a bus, by what these call themselves; none is loaded for nothing.
drivers() {
    for device in "/sys/bus/$1/devices"/*/modalias; do
        [ ! -e "$device" ] || modprobe -q "$(cat "$device")"
    done
}
drivers pci
drivers virtio
# From here on the kernel finds file systems and protocols by itself.
echo /bin/modprobe > /proc/sys/kernel/modprobe

# A program at the other end of the console: no echo, plain line ends, no line editing.
case " $(cat /proc/cmdline) " in
*" pteg.console=pipe "*) stty -echo -onlcr ;;
esac

if [ -e /script ]; then
    sh /script
else
    echo
    echo "Linux $(uname -r), $(nproc) processor(s), BusyBox. Type exit to power off."
    # A session and a terminal of its own, for job control.
    setsid cttyhack sh
fi
poweroff -f
