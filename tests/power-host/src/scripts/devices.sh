# A Linux guest with a disk, a network card, random numbers, a balloon and a second console. Each side finds on the disk what the other has left there.

fail() {
    echo "$*"
    cat output
    kill $pteg
    killall nc
    wait $pteg
    tunctl -d tap0
    exit 1
}
# Until a command succeeds: patience is the case's.
await() {
    while ! "$@"; do
        kill -0 $pteg 2>/dev/null || fail "it does not come to: $*"
        sleep 1
    done
}
says() {
    grep -q "^guest: $1" output
}
gives_away() {
    pteg ctl socket balloon | grep -q "^in the balloon *$1"
}
rm -f disk sent returned said output socket stats
dd if=/dev/urandom of=disk bs=4096 count=512 2>/dev/null
sums=$(md5sum <disk)
dd if=/dev/urandom of=sent bs=4096 count=256 2>/dev/null
tunctl -t tap0 >/dev/null && ifconfig tap0 10.7.7.1 netmask 255.255.255.0 up || {
    echo "the host has no tap interface for the guest"
    exit 1
}
# What a guest takes from one port it brings to the other.
nc -l -p 7 -e cat sent &
nc -l -p 8 -e sh -c 'cat >returned' &
# Watchdogs bark at a slow host.
pteg run --accel $accel --irqchip $irqchip --smp 2 --mem 512M --control socket --stats-json stats --disk disk,format=raw --net tap=tap0,mac=52:54:00:07:07:02 \
    --rng --balloon --virtio-console said --kernel debian-6.12.vmlinux --initrd forever.initrd \
    --append 'console=hvc0 quiet pteg.console=pipe nowatchdog rcupdate.rcu_cpu_stall_suppress=1' >output 2>&1 </dev/null &
pteg=$!
await says 'waits to be shut down'
pteg ctl socket balloon 64M >/dev/null || fail "no balloon"
await gives_away '64 MiB'
pteg ctl socket balloon 0 >/dev/null
await gives_away '0 bytes'
pteg ctl socket powerdown || fail "no powerdown"
wait $pteg || fail "it ends with $?"
# Without its network the programs at the ports would be waited for in vain.
grep 'guest: trouble' output && fail "a device does not do its part"
# What it finds is what was left before, from the host to the host.
finds=$(sed -n 's/^guest: finds //p' output)
leaves=$(sed -n 's/^guest: leaves //p' output)
[ "$finds
$(md5sum <disk)" = "$sums
$leaves" ] || fail "what is found is not what was left"
[ "$(echo "$finds" | wc -l)" = 2 ] || fail "it does not read as often as it should"
wait
cmp sent returned || fail "what the network brings is not what was sent"
seq 300 >expected
tr -d '\r' <said | cmp - expected || fail "the second console has not got all"
# The kernel takes notifications: of the disk alone there were about twice as many as this. It may have seen some requests before it was told.
stores=$(sed -n 's/.*"device_stores": *\([0-9]*\).*/\1/p' stats)
[ "$stores" -lt 1024 ] || fail "processors leave the guest to notify devices: $stores stores"
echo "stores that came to pteg: $stores"
tunctl -d tap0 >/dev/null
grep 'Powering off' output
echo "each finds what the other has left"
