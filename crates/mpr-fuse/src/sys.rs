//! The system calls that the standard library does not have.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Makes `device` another queue of the connection that `connection` is one of.
pub(crate) fn attach(device: &File, connection: &File) -> io::Result<()> {
    let of = connection.as_raw_fd().cast_unsigned();
    // SAFETY: this request reads one 32-bit integer, which lives through the call; both descriptors are open.
    let attached = unsafe { libc::ioctl(device.as_raw_fd(), CLONE, &raw const of) };
    if attached == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `FUSE_DEV_IOC_CLONE`: reads 4 bytes (direction 2), number 0 of the devices with magic number 229.
const CLONE: libc::c_ulong = 2 << 30 | 4 << 16 | 229 << 8;
