//! Mounted shares before strangers' judges.
//!
//! * [`torture`]: programs others wrote to break file systems, each let loose on a share that `mpr connect`
//!   mounted, and faults of the server and the network under programs that write.
//! * [`bench`]: how fast they are, beside rclone, smbnetfs, gvfs and sshfs.
//!
//! Everything is driven as a user drives it: by the command `mpr`, and by programs that know nothing of it.
//! Nothing of the file system's own crates is linked.

pub mod bench;
pub mod diary;
pub mod program;
pub mod stage;
pub mod torture;
pub mod verdict;
