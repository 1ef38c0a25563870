# A Linux guest with a disk, a network card, random numbers, a balloon and a second console, through `lives` lives: it reboots, is reset while it
# reads, and is shut down. Each finds on the disk what was left there, and so does the host.

fail() {
    echo "$*"
    cat output
    kill $pteg
    killall nc
    exit 1
}
# Until a command succeeds: patience is the case's.
await() {
    while ! "$@"; do
        kill -0 $pteg 2>/dev/null || fail "it does not come to: $*"
        sleep 0.2
    done
}
says() {
    grep -q "^guest: $1" output
}
gives_away() {
    pteg ctl socket balloon | grep -q "^in the balloon *$1"
}
rm -f disk sent returned said output socket
dd if=/dev/urandom of=disk bs=4096 count=512 2>/dev/null
printf $((4 - lives)) | dd of=disk conv=notrunc 2>/dev/null
sums=$(md5sum <disk)
dd if=/dev/urandom of=sent bs=4096 count=256 2>/dev/null
tunctl -t tap0 >/dev/null && ifconfig tap0 10.7.7.1 netmask 255.255.255.0 up || exit
# What a guest takes from one port it brings to the other.
for life in $(seq $lives); do nc -l -p 7 -e cat sent; done &
for life in $(seq $lives); do nc -l -p 8 -e sh -c 'cat >>returned'; done &
pteg run --accel $accel --irqchip $irqchip --smp 2 --mem 512M --control socket --disk disk,format=raw --net tap=tap0,mac=52:54:00:07:07:02 \
    --rng --balloon --virtio-console said --kernel debian-6.12.vmlinux --initrd drive.initrd \
    --append 'console=hvc0 quiet pteg.console=pipe' >output 2>&1 </dev/null &
pteg=$!
if [ $lives -gt 1 ]; then
    await says 'reads until it is reset'
    pteg ctl socket reset || fail "no reset"
fi
await says 'waits to be shut down'
pteg ctl socket balloon 64M >/dev/null || fail "no balloon"
await gives_away '64 MiB'
pteg ctl socket balloon 0 >/dev/null
await gives_away '0 bytes'
pteg ctl socket powerdown || fail "no powerdown"
wait $pteg || fail "it ends with $?"
# What one finds is what the one before it has left, from the host to the host.
finds=$(sed -n 's/^guest: finds //p' output)
leaves=$(sed -n 's/^guest: leaves //p' output)
[ "$finds
$(md5sum <disk)" = "$sums
$leaves" ] || fail "what is found is not what was left"
[ "$(echo "$finds" | wc -l)" = $((3 * lives)) ] || fail "it does not read as often as it should"
wait
for life in $(seq $lives); do cat sent; done | cmp - returned || fail "what the network brings is not what was sent"
for life in $(seq $lives); do seq 300; done >expected
tr -d '\r' <said | cmp - expected || fail "the second console has not got all"
grep 'guest: trouble' output && fail "a device does not do its part"
tunctl -d tap0 >/dev/null
grep 'Powering off' output
echo "every life finds what was left"
