#!/bin/busybox sh
# The first process of the guest that installs Debian on its first disk, from the seed that is its second one. A line of the console
# that begins with `second stage: ` names a step; what it says last decides whether the disk is used.

export PATH=/bin:/usr/sbin:/usr/bin:/sbin HOME=/root
busybox mkdir -p /proc /sys /dev /mnt
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox --install -s /bin

fail() {
    echo "$1"
    sync
    poweroff -f
    sleep 1000
}

for module in /modules/*.ko; do
    insmod "$module" || fail "the module $module cannot be loaded"
done
tries=0
until [ -b /dev/vdb ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "there are no two disks"
    usleep 100000
done

echo "second stage: unpacking"
# Nothing here needs to outlive a crash: one that comes too early leaves a disk that nobody uses.
mount -t ext4 -o noatime,nobarrier,data=writeback /dev/vda /mnt || fail "the first disk cannot be mounted"
cd /mnt || fail "there is no first disk"
mkdir -p usr/bin usr/sbin usr/lib usr/lib64 proc sys dev run tmp var/lib/dpkg/info var/lib/dpkg/updates var/lib/dpkg/triggers
for name in bin sbin lib lib64; do
    ln -s "usr/$name" "$name"
done
chmod 1777 tmp
tar -x -f /dev/vdb -C /mnt || fail "the seed cannot be unpacked"
for name in base modules; do
    tar -x -f "$name.tar" -C /mnt || fail "$name.tar cannot be unpacked"
    rm "$name.tar"
done
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t devtmpfs devtmpfs dev
mkdir -p dev/pts
mount -t devpts devpts dev/pts
mount -t tmpfs tmpfs run
: > var/lib/dpkg/status
: > var/lib/dpkg/available
# No service is started in here.
printf '#!/bin/sh\nexit 101\n' > usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C LANG=C

echo "second stage: installing the essential packages"
# They need each other, and all of their files are there.
chroot . /usr/bin/dpkg --force-unsafe-io --force-depends --install $(cat essential) > /log 2>&1 || {
    tail -n 5 /log
    fail "dpkg failed"
}

echo "second stage: installing $(ls debs | wc -l) packages"
chroot . /usr/bin/apt-get -o DPkg::Options::=--force-unsafe-io -y --no-install-recommends --no-download install $(cd debs && ls | sed 's:^:/debs/:') > /log 2>&1 || {
    tail -n 5 /log
    fail "apt failed"
}
left="$(chroot . /usr/bin/dpkg --audit)"
[ -z "$left" ] || fail "$left"

echo "second stage: setting the system up"
echo debian > etc/hostname
printf '127.0.0.1\tlocalhost\n127.0.1.1\tdebian\n::1\tlocalhost ip6-localhost ip6-loopback\n' > etc/hosts
printf 'LABEL=root / ext4 errors=remount-ro 0 1\n' > etc/fstab
cp sources etc/apt/sources.list.d/debian.sources
# Debian's rule for images without a setup: root has no password, on the console; ssh lets nobody in without a key.
sed -i 's/^root:[^:]*:/root::/' etc/shadow
mkdir -p etc/systemd/network
printf '[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n' > etc/systemd/network/80-dhcp.network
# Each copy of the disk is a machine of its own.
rm -f etc/ssh/ssh_host_*_key etc/ssh/ssh_host_*_key.pub
printf 'uninitialized\n' > etc/machine-id
rm -f var/lib/dbus/machine-id
cat > etc/systemd/system/ssh-host-keys.service <<'.'
[Unit]
Description=Host keys of the ssh server
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
.
chroot . /usr/bin/systemctl --quiet enable systemd-networkd systemd-resolved ssh-host-keys serial-getty@hvc0 || fail "a service cannot be enabled"
ln -sf ../run/systemd/resolve/stub-resolv.conf etc/resolv.conf
chroot . /usr/sbin/depmod -a "$(uname -r)" || fail "the modules cannot be listed"

echo "second stage: writing the disk"
rm -rf debs essential sources usr/sbin/policy-rc.d var/cache/apt/*.bin var/cache/apt/archives/*.deb var/log/*.log var/log/apt
cd /
umount /mnt/dev/pts /mnt/dev /mnt/sys /mnt/proc /mnt/run
umount /mnt || fail "the disk cannot be unmounted"
sync
echo "second stage: done"
poweroff -f
