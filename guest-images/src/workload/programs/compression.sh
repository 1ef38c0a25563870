# What is packed comes back as it was, by each program and at several strengths; a spoilt byte is noticed.
{
    seq 1 60000
    dd if=/dev/urandom bs=64k count=4 2> /dev/null
    cat /usr/lib/python3.11/decimal.py /usr/lib/python3.11/_pydecimal.py
    dd if=/dev/zero bs=64k count=16 2> /dev/null
} > data
zstd_levels='1 3 9 17' zlib_levels='1 6 9'
[ -z "$quick" ] || zstd_levels=3 zlib_levels=6
for level in $zstd_levels; do
    zstd -q -$level -c data > packed
    zstd -q -t packed
    zstd -q -d -c packed | cmp - data
done
for level in $zlib_levels; do
    python3.11 -c "
import zlib
data = open('data', 'rb').read()
packed = zlib.compress(data, $level)
assert zlib.decompress(packed) == data
deflated = zlib.compressobj($level, zlib.DEFLATED, -15)
raw = deflated.compress(data) + deflated.flush()
# BusyBox has an inflate of its own.
import struct
header = b'\x1f\x8b\x08' + bytes(7)
open('packed.gz', 'wb').write(header + raw + struct.pack('<II', zlib.crc32(data), len(data) & 0xffffffff))
"
    busybox gunzip -c packed.gz | cmp - data
done
/usr/bin/xz -2 -c data > packed
/usr/bin/xz -d -c packed | cmp - data
zstd -q -3 -c data > packed
size=$(stat -c %s packed)
printf '\125\252\125' | dd of=packed bs=1 seek=$((size / 2)) conv=notrunc 2> /dev/null
! zstd -q -t packed
