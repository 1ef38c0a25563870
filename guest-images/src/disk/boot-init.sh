#!/bin/busybox sh
# The first process of a guest with a root disk: loads what reaches the disk, mounts it and hands over.

export PATH=/bin
busybox mkdir -p /proc /sys /dev /root
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox --install -s /bin

# Drivers for the devices on a bus, by what these call themselves. So a disk with the modules of another kernel has its network, too.
drivers() {
    for device in "/sys/bus/$1/devices"/*/modalias; do
        [ ! -e "$device" ] || modprobe -q "$(cat "$device")"
    done
}
drivers pci
drivers virtio
modprobe -q crc32c_generic
modprobe ext4

root=/dev/vda
how=ro
init=/sbin/init
for word in $(cat /proc/cmdline); do
    case "$word" in
    root=*) root="${word#root=}" ;;
    init=*) init="${word#init=}" ;;
    rw) how=rw ;;
    ro) how=ro ;;
    esac
done
case "$root" in
LABEL=* | UUID=*) root="$(findfs "$root")" ;;
esac

tries=0
until [ -b "$root" ]; do
    tries=$((tries + 1))
    if [ "$tries" -eq 50 ]; then
        echo "There is no disk $root: give pteg one with --disk. This shell powers off when you leave it."
        setsid cttyhack sh
        poweroff -f
    fi
    usleep 100000
done
mount -t ext4 -o "$how" "$root" /root || {
    echo "$root has no root file system. This shell powers off when you leave it."
    setsid cttyhack sh
    poweroff -f
}
umount /proc /sys
mount --move /dev /root/dev
exec switch_root /root "$init"
