//! The macros that declare a function which returns the number of an ioctl.
//!
//! They take what the published crate's macros take: a name, the type, the number in it, the argument's type, and
//! names of parameters that the number may depend on.

/// Declares an ioctl of the given direction and size.
#[macro_export]
macro_rules! ioctl_ioc_nr {
    ($name:ident, $dir:expr, $ty:expr, $nr:expr, $size:expr $(, $parameter:ident)*) => {
        #[allow(non_snake_case)]
        #[allow(clippy::cast_lossless)]
        pub fn $name($($parameter: ::std::os::raw::c_uint),*) -> ::std::os::raw::c_ulong {
            $crate::ioctl::ioctl_expr($dir, $ty, $nr, $size)
        }
    };
}

/// Declares an ioctl without an argument, or with a plain number: `_IO` of C.
#[macro_export]
macro_rules! ioctl_io_nr {
    ($name:ident, $ty:expr, $nr:expr $(, $parameter:ident)*) => {
        $crate::ioctl_ioc_nr!($name, $crate::ioctl::_IOC_NONE, $ty, $nr, 0 $(, $parameter)*);
    };
}

/// Declares an ioctl whose argument the kernel writes: `_IOR` of C.
#[macro_export]
macro_rules! ioctl_ior_nr {
    ($name:ident, $ty:expr, $nr:expr, $argument:ty $(, $parameter:ident)*) => {
        $crate::ioctl_ioc_nr!(
            $name, $crate::ioctl::_IOC_READ, $ty, $nr, ::std::mem::size_of::<$argument>() as u32 $(, $parameter)*
        );
    };
}

/// Declares an ioctl whose argument the kernel reads: `_IOW` of C.
#[macro_export]
macro_rules! ioctl_iow_nr {
    ($name:ident, $ty:expr, $nr:expr, $argument:ty $(, $parameter:ident)*) => {
        $crate::ioctl_ioc_nr!(
            $name, $crate::ioctl::_IOC_WRITE, $ty, $nr, ::std::mem::size_of::<$argument>() as u32 $(, $parameter)*
        );
    };
}

/// Declares an ioctl whose argument the kernel reads and writes: `_IOWR` of C.
#[macro_export]
macro_rules! ioctl_iowr_nr {
    ($name:ident, $ty:expr, $nr:expr, $argument:ty $(, $parameter:ident)*) => {
        $crate::ioctl_ioc_nr!(
            $name,
            $crate::ioctl::_IOC_READ | $crate::ioctl::_IOC_WRITE,
            $ty,
            $nr,
            ::std::mem::size_of::<$argument>() as u32
            $(, $parameter)*
        );
    };
}
