# What a Linux guest does until it is told to reboot, or ended: processes come and go on every processor.

for processor in $(seq $(nproc)); do
    while :; do /bin/busybox true; done &
done
if dmesg | grep -E 'BUG:|Oops|WARNING:|rcu: INFO|Unable to handle'; then
    trouble "its kernel's"
fi
echo "guest: $(nproc) processors work"
while read -r word; do
    [ "$word" = reboot ] && reboot -f
done
wait
