# What a Linux guest does with its devices if it has a disk. It reads and writes the disk, with messages for interrupts and with a line of the PCI bus;
# the host compares what it finds and what it leaves.

trouble() {
    echo "guest: trouble: $*"
}
# Interrupts of lines of /proc/interrupts that match $1.
interrupts() {
    awk "/$1/"' { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts
}
# Reads and writes; interrupts come whose name is the disk's and $1.
work() {
    of_disk="$(basename $(readlink -f /sys/block/vda/device))$1"
    before=$(interrupts "$of_disk")
    echo "guest: finds $(md5sum </dev/vda)"
    dd if=/dev/urandom of=/dev/vda bs=4096 seek=16 count=256 conv=notrunc,fsync 2>/dev/null || trouble "no write"
    echo "guest: leaves $(md5sum </dev/vda)"
    [ $(($(interrupts "$of_disk") - before)) -ge 4 ] || trouble "no interrupts: $(cat /proc/interrupts)"
}
drive() {
    # A message's name is `virtio0-req.0`, a line's `virtio0`.
    work '-req.*'
    # The device is told of each of these: several times as much as all else that is stored to devices.
    dd if=/dev/vda of=/dev/null bs=1024 count=2048 iflag=direct 2>/dev/null || trouble "no single reads"
    pci=$(dirname $(readlink -f /sys/block/vda/device))
    driver=$(readlink -f $pci/driver)
    basename $pci >$driver/unbind
    echo 0 >$pci/msi_bus
    basename $pci >$driver/bind
    work '$'
    [ "$(cat /sys/class/net/eth0/address)" = 52:54:00:07:07:02 ] || trouble "another card: $(cat /sys/class/net/*/address)"
    ifconfig eth0 10.7.7.2 netmask 255.255.255.0 up
    nc 10.7.7.1 7 </dev/null >/tmp/content && nc 10.7.7.1 8 </tmp/content || trouble "no network"
    echo virtio_rng.0 >/sys/class/misc/hw_random/rng_current
    [ "$(head -c 4096 /dev/hwrng | gzip -c | wc -c)" -gt 4000 ] || trouble "no random numbers"
    seq 300 >/dev/hvc1
    if dmesg | grep -E 'BUG:|Oops|WARNING:|rcu: INFO|Unable to handle|I/O error'; then
        trouble "its kernel's"
    fi
    echo "guest: waits to be shut down"
    while :; do sleep 1; done
}
[ ! -e /dev/vda ] || drive
