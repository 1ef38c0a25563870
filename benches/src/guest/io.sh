#!/bin/busybox sh
# The first process of a guest whose disk or network card is measured. The kernel's command line says which, as variables: `seconds` of each
# measurement, behind as many as `ramp` says that do not count; `works` at /dev/vda, each NAME:DEPTH:FLAG,FLAG… of fio's and a slash between two; or the `port` at which iperf3 listens on the host, at
# `host`, or where there is none at the router.

echo 'bench: init'
export PATH=/bin:/usr/bin LC_ALL=C
busybox mkdir -p /proc /sys /dev /tmp
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox mount -t tmpfs tmpfs /tmp
busybox --install -s /bin
dmesg -n 1

for bus in pci virtio; do
    for device in "/sys/bus/$bus/devices"/*/modalias; do
        modprobe -q "$(cat "$device")"
    done
done

# One line of fio's for each.
for work in $(echo "$works" | tr / ' '); do
    name=${work%%:*}
    depth=${work#*:}
    flags=$(echo "--${work##*:}" | sed 's/,/ --/g')
    said=$(fio --name="$name" --filename=/dev/vda --direct=1 --ioengine=libaio --bs=4k --iodepth="${depth%%:*}" $flags \
        --time_based --ramp_time="$ramp" --runtime="$seconds" --thread --output-format=terse --terse-version=3 2>&1)
    echo "bench: disk $name $said"
done

# One line of iperf3's for each direction.
if [ -n "$port" ]; then
    ip link set eth0 up
    if [ -n "$host" ]; then
        ip addr add "${host%.*}.2/24" dev eth0
    else
        cat > /tmp/bound << 'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
ip route add default via "$router"
echo "$router" > /tmp/router
END
        chmod 755 /tmp/bound
        udhcpc -i eth0 -q -n -s /tmp/bound > /dev/null 2>&1
        host=$(cat /tmp/router)
    fi
    for direction in to-host to-guest; do
        reverse=
        [ "$direction" = to-host ] || reverse=-R
        said=$(iperf3 -c "$host" -p "$port" -O "$ramp" -t "$seconds" -f m $reverse 2>&1)
        echo "bench: net $direction $(echo "$said" | grep receiver || echo "$said")"
    done
fi

echo 'bench: all done'
poweroff -f
