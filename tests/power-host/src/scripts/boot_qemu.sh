# What KVM-PR lacks is taken from the machine that QEMU offers.

without=cap-htm=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off,cap-fwnmi=off
chmod +x qemu/ld64.so.2
boot qemu/ld64.so.2 --library-path qemu/lib qemu/qemu-system-ppc64 -L qemu \
    -machine pseries,x-vof=on,ic-mode=xics,kvm-type=PR,$without -accel kvm -smp 1 -m 512 -nographic -nodefaults -no-reboot \
    -serial stdio -kernel debian-6.12.vmlinux -initrd up.initrd -append 'console=hvc0 quiet pteg.console=pipe'
