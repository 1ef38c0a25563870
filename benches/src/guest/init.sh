#!/bin/busybox sh
# The first process of the measured guest: a fixed amount of work, each part followed by a line, then power-off.

echo 'bench: init'
export PATH=/bin
busybox mkdir -p /proc /tmp
busybox mount -t proc proc /proc

# Processes: fork, exec, exit, wait.
i=0
while [ $i -lt 200 ]; do
    /bin/busybox true || exit
    i=$((i + 1))
done
echo "bench: processes $i"

# Mappings.
/bin/mappings || exit
echo 'bench: mappings'

# Files: many small ones by the shell itself, then a few of some megabytes.
busybox mkdir /tmp/files
cd /tmp/files
i=0
while [ $i -lt 400 ]; do
    echo "file $i" > $i
    i=$((i + 1))
done
i=0
sum=0
while [ $i -lt 400 ]; do
    read word number < $i
    sum=$((sum + number))
    i=$((i + 1))
done
for i in 1 2 3 4 5 6 7 8; do
    busybox cp /bin/busybox large$i || exit
done
cd /
busybox rm -r /tmp/files
echo "bench: files $sum"

busybox poweroff -f
