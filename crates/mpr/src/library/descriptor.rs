//! Loading a library through the descriptor by which it was judged.
//!
//! The linker opens what it is given a name of. A name below `/proc/self/fd` leads to the very file that was opened,
//! whatever has been done meanwhile to the path by which it was registered.
//!
//! It has a price: the library does not know where it is. So it is paid where it counts: for what root registered,
//! and for what has to have certain contents. A user's own library, which only that user or root could replace, is
//! loaded by its path; and so is one that finds others beside itself (`$ORIGIN`), which would not find them.

use super::{Examined, Terms, elf};
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// A name for the open file; `None` where the library is to be loaded by its path.
pub(super) fn name(examined: &Examined, terms: &Terms) -> Option<PathBuf> {
    let Examined { opened, meta, .. } = examined;
    if !terms.by_root && terms.sha256.is_none() || elf::uses_origin(opened, meta.len()) {
        return None;
    }
    // The linker takes a name it has met for the same library, and numbers of descriptors are used again. So the
    // name says which file it is, in a way that makes no difference to the kernel: "//" and "/." lead nowhere.
    let identity = u128::from(meta.dev()) << 64 | u128::from(meta.ino());
    let mut name = String::from("/proc/self/fd");
    for bit in 0..u128::BITS {
        name.push_str(if identity & 1 << bit == 0 { "//" } else { "/." });
    }
    let name = PathBuf::from(format!("{name}/{}", opened.as_raw_fd()));
    // Where /proc is not mounted, the path has to do; it was judged, too.
    let leads_there =
        fs::metadata(&name).is_ok_and(|found| (found.dev(), found.ino()) == (meta.dev(), meta.ino()));
    leads_there.then_some(name)
}
