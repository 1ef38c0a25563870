//! How powerpc writes the number of an ioctl, and the functions that issue one.
//!
//! ```text
//!      31  29 28          16 15      8 7       0
//!     | dir  |     size     |  type   |    nr   |
//! ```
//! Linux, arch/powerpc/include/uapi/asm/ioctl.h. Elsewhere `dir` has two bits, `size` has 14, "none" is 0, "write" 1
//! and "read" 2.

use std::os::raw::{c_uint, c_ulong};

pub use upstream::ioctl::{
    ioctl, ioctl_with_mut_ptr, ioctl_with_mut_ref, ioctl_with_ptr, ioctl_with_ref, ioctl_with_val,
};

/// Bits of the number within its type.
pub const _IOC_NRBITS: c_uint = 8;
/// Bits of the type, which names the family of ioctls.
pub const _IOC_TYPEBITS: c_uint = 8;
/// Bits of the argument's size.
pub const _IOC_SIZEBITS: c_uint = 13;
/// Bits of the direction.
pub const _IOC_DIRBITS: c_uint = 3;

/// The number, once shifted down.
pub const _IOC_NRMASK: c_uint = mask(_IOC_NRBITS);
/// The type, once shifted down.
pub const _IOC_TYPEMASK: c_uint = mask(_IOC_TYPEBITS);
/// The size, once shifted down.
pub const _IOC_SIZEMASK: c_uint = mask(_IOC_SIZEBITS);
/// The direction, once shifted down.
pub const _IOC_DIRMASK: c_uint = mask(_IOC_DIRBITS);

/// Where the number begins.
pub const _IOC_NRSHIFT: c_uint = 0;
/// Where the type begins.
pub const _IOC_TYPESHIFT: c_uint = _IOC_NRSHIFT + _IOC_NRBITS;
/// Where the size begins.
pub const _IOC_SIZESHIFT: c_uint = _IOC_TYPESHIFT + _IOC_TYPEBITS;
/// Where the direction begins.
pub const _IOC_DIRSHIFT: c_uint = _IOC_SIZESHIFT + _IOC_SIZEBITS;

/// No argument, or one that is a plain number.
pub const _IOC_NONE: c_uint = 1;
/// The kernel writes the argument: the caller reads it.
pub const _IOC_READ: c_uint = 2;
/// The kernel reads the argument.
pub const _IOC_WRITE: c_uint = 4;

/// "Write", in its place.
pub const IOC_IN: c_uint = _IOC_WRITE << _IOC_DIRSHIFT;
/// "Read", in its place.
pub const IOC_OUT: c_uint = _IOC_READ << _IOC_DIRSHIFT;
/// Both, in their place.
pub const IOC_INOUT: c_uint = (_IOC_WRITE | _IOC_READ) << _IOC_DIRSHIFT;
/// The size, in its place.
pub const IOCSIZE_MASK: c_uint = _IOC_SIZEMASK << _IOC_SIZESHIFT;
/// Where the size begins.
pub const IOCSIZE_SHIFT: c_uint = _IOC_SIZESHIFT;

const fn mask(bits: c_uint) -> c_uint {
    (1 << bits) - 1
}

/// The number of an ioctl: `_IOC` of C.
pub const fn ioctl_expr(dir: c_uint, ty: c_uint, nr: c_uint, size: c_uint) -> c_ulong {
    ((dir << _IOC_DIRSHIFT) | (ty << _IOC_TYPESHIFT) | (nr << _IOC_NRSHIFT) | (size << _IOC_SIZESHIFT)) as c_ulong
}
