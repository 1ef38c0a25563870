# Runs in a POWER host whose disk, /dev/vda, is a root disk of pteg's: boots it under KVM with `$1` processors and the other words as the kernel's command line,
# logs in, installs a package that is on the disk, reboots, logs in again and has the guest shut down. What came of it is said at the end; until then the guest's
# console is shown.

processors=$1
shift

# Ends this if the guest is gone, which has not said $1.
still_there() {
    kill -0 $pteg 2>/dev/null || {
        echo "the guest has not said '$1'"
        exit 1
    }
}

# Waits until $2 lines of the console have $1.
await() {
    until [ "$(grep -c -- "$1" console)" -ge "$2" ]; do
        still_there "$1"
        sleep 1
    done
}

# Types a command, whose answer is the rest of a line that begins with $1, unlike anything that is typed.
ask() {
    echo "echo; echo $1 \"\$($2)\"" >&3
    await "^$1 " 1
}

# Logs in for the $1st time.
log_in() {
    await "debian login: " "$1"
    echo "login after $(cut -d ' ' -f 1 /proc/uptime) s"
    echo root >&3
    # What is typed before there is a shell is lost.
    until grep -q "^in $1" console; do
        still_there "in $1"
        sleep 5
        echo "stty -echo -onlcr; echo; echo in $1" >&3
    done
    # Bash edits lines, and asks the terminal for things.
    echo 'exec sh' >&3
}

mkfifo typed
pteg run --accel kvm --smp "$processors" --mem 1G --kernel vmlinux --initrd initrd.cpio --append "$*" --disk /dev/vda,format=raw --rng --control socket \
    <typed >console 2>&1 &
pteg=$!
exec 3>typed
tail -f console &
tail=$!

log_in 1
ask nproc nproc
ask system 'systemctl is-system-running --wait'
ask got 'apt-get install -y /root/pteg-hello.deb > /dev/null 2>&1; pteg-hello'
echo reboot >&3
log_in 2
ask kept pteg-hello
pteg ctl socket powerdown
wait $pteg
status=$?
kill $tail
echo
echo "processors: $(sed -n 's/^nproc //p' console)"
echo "installed: $(sed -n 's/^got //p' console)"
echo "after a reboot: $(sed -n 's/^kept //p' console)"
echo "pteg exits with $status"
exit $status
