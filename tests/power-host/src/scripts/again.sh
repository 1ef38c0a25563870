# Linux in three lives of one run: it reboots, is reset while its processors work, and is shut down.

fail() {
    echo "$*"
    cat output
    kill $pteg
    wait $pteg
    exit 1
}
# Until $1 lives have come to work: patience is the case's.
await() {
    while [ "$(grep -c '^guest: 2 processors work' output)" -lt $1 ]; do
        kill -0 $pteg 2>/dev/null || fail "life $1 does not come to work"
        sleep 1
    done
}
rm -f typed output socket
mkfifo typed || exit
# Watchdogs bark at a slow host.
pteg run --accel $accel --smp 2 --mem 512M --control socket --kernel debian-6.12.vmlinux --initrd forever.initrd \
    --append 'console=hvc0 quiet pteg.console=pipe nowatchdog rcupdate.rcu_cpu_stall_suppress=1' <typed >output 2>&1 &
pteg=$!
exec 3>typed
await 1
echo reboot >&3
await 2
pteg ctl socket reset || fail "no reset"
await 3
pteg ctl socket powerdown || fail "no powerdown"
wait $pteg || fail "it ends with $?"
grep 'guest: trouble' output && fail "a kernel is in trouble"
grep 'Powering off' output
echo "comes to work in every life"
