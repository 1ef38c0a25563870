#!/bin/busybox sh
# The first process of the guest that installs Debian on its first disk, from the seed that is its second one. A line of the console
# that begins with `second stage: ` names a step; what it says last decides whether the disk is used.

export PATH=/bin:/usr/sbin:/usr/bin:/sbin HOME=/root
busybox mkdir -p /proc /sys /dev /mnt /tmp
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

# What dpkg says; each package that it begins to configure is a step.
shown() {
    while read -r one two three rest; do
        case "$one $two" in
        "Setting up") echo "second stage: configuring $three" ;;
        *) echo "$one $two $three $rest" ;;
        esac
    done
}

for module in virtio_pci virtio_blk crc32c_generic ext4; do
    modprobe "$module" || fail "the module $module cannot be loaded"
done
tries=0
until [ -b /dev/vdb ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || fail "there are no two disks"
    usleep 100000
done

echo "second stage: unpacking"
# Nothing here needs to outlive a crash: one that comes too early leaves a disk that nobody uses.
mount -t ext4 -o noatime,nobarrier,data=writeback,commit=600 /dev/vda /mnt || fail "the first disk cannot be mounted"
cd /mnt || fail "there is no first disk"
tar -x -f /dev/vdb -C /mnt || fail "the seed cannot be unpacked"
mkdir -p proc sys dev run tmp var/lib/dpkg/updates var/lib/dpkg/alternatives
chmod 1777 tmp
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t devtmpfs devtmpfs dev
mkdir -p dev/pts
mount -t devpts devpts dev/pts
mount -t tmpfs tmpfs run
# dpkg flushes its database at every step, which costs nothing in memory.
mount -t tmpfs tmpfs /tmp
cp -a var/lib/dpkg /tmp/dpkg && mount --bind /tmp/dpkg var/lib/dpkg || fail "dpkg's database does not fit into memory"
# No service is started in here.
printf '#!/bin/sh\nexit 101\n' > usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d
# Keys that are there are not made; each copy of the disk is to have its own.
mkdir -p etc/ssh
for kind in rsa ecdsa ed25519; do
    echo > "etc/ssh/ssh_host_${kind}_key"
done
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C LANG=C

echo "second stage: preparing the packages"
for script in var/lib/dpkg/info/*.preinst; do
    name="${script##*/}"
    name="${name%.preinst}"
    DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE="${name%:*}" DPKG_MAINTSCRIPT_ARCH=ppc64el DPKG_ROOT= \
        DPKG_ADMINDIR=/var/lib/dpkg DPKG_RUNNING_VERSION=1.21 \
        chroot . "/$script" install > /log 2>&1 || {
        tail -n 5 /log
        fail "preparing $name failed"
    }
done
# All others rely on these without a word.
chroot . /usr/bin/dpkg --force-unsafe-io --force-depends --configure base-passwd base-files > /log 2>&1 || {
    tail -n 5 /log
    fail "setting up base-passwd and base-files failed"
}
chroot . /usr/bin/dpkg --force-unsafe-io --configure --pending 2>&1 | shown
left="$(chroot . /usr/bin/dpkg --audit)"
[ -z "$left" ] || fail "$left"

echo "second stage: setting the system up"
umount var/lib/dpkg && rm -rf var/lib/dpkg && cp -a /tmp/dpkg var/lib/dpkg || fail "dpkg's database cannot be written"
echo debian > etc/hostname
printf '127.0.0.1\tlocalhost\n127.0.1.1\tdebian\n::1\tlocalhost ip6-localhost ip6-loopback\n' > etc/hosts
printf 'LABEL=root / ext4 errors=remount-ro 0 1\n' > etc/fstab
# Debian's rule for images without a setup: root has no password, on the console; ssh lets nobody in without a key.
sed -i 's/^root:[^:]*:/root::/' etc/shadow
mkdir -p etc/systemd/network
printf '[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n' > etc/systemd/network/80-dhcp.network
# Each copy of the disk is a machine of its own.
rm -f etc/ssh/ssh_host_*_key etc/ssh/ssh_host_*_key.pub
printf 'uninitialized\n' > etc/machine-id
rm -f var/lib/dbus/machine-id
# One of the kind that every client of the time knows; others take an emulated processor minutes.
cat > etc/systemd/system/ssh-host-key.service <<'.'
[Unit]
Description=Host key of the ssh server
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
.
chroot . /usr/bin/systemctl --quiet enable systemd-networkd systemd-resolved ssh-host-key serial-getty@hvc0 || fail "a service cannot be enabled"
# The console is there from the start, and only udev has yet to say so, which takes a slow processor longer than the 90 seconds that systemd would wait.
mkdir -p etc/systemd/system/dev-hvc0.device.d
printf '[Unit]\nJobRunningTimeoutSec=infinity\n' > etc/systemd/system/dev-hvc0.device.d/patience.conf
ln -sf ../run/systemd/resolve/stub-resolv.conf etc/resolv.conf
chroot . /usr/sbin/depmod -a "$(uname -r)" || fail "the modules cannot be listed"

echo "second stage: writing the disk"
rm -rf usr/sbin/policy-rc.d var/cache/apt/*.bin var/log/*.log var/log/apt
cd /
umount /mnt/dev/pts /mnt/dev /mnt/sys /mnt/proc /mnt/run
umount /mnt || fail "the disk cannot be unmounted"
sync
echo "second stage: done"
poweroff -f
