# What a Linux guest does once it is up: says what it is, and works on all processors with processes that come and go.

echo "guest: $(uname -m), Linux $(uname -r)"
echo "guest: $(nproc) processors"
echo "guest: pages of $(awk '/^VmSize/ { n = $2 } NF == 7 { print n / $1 }' /proc/1/status /proc/1/statm) KiB"

forks() {
    i=0
    while [ $i -lt 100 ]; do
        /bin/busybox true || exit 1
        i=$((i + 1))
    done
    echo $i
}
total=$( (forks & forks & wait) | awk '{ n += $1 } END { print n }')
echo "guest: forked $total"

# The same bytes, made twice, go through pipes and files of memory.
one=$(yes | head -c 3000000 | md5sum)
yes | head -c 3000000 >/tmp/file
two=$(md5sum </tmp/file)
[ "$one" = "$two" ] || echo "guest: sums differ: $one, $two"
if dmesg | grep -E 'BUG:|Oops|WARNING:|rcu: INFO|Unable to handle'; then
    echo "guest: its kernel is in trouble"
elif [ "$one" = "$two" ]; then
    echo "guest: is well"
fi
