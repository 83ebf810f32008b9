//! What does not pass yet, or never will. Each line is a promise: when it passes, the run fails until the
//! line is gone. What pjdfstest knows to fail is in `pjdfstest.toml`, beside the manifest.

use crate::verdict::Known;

pub(super) const KNOWN: &[Known] = &[
    Known { case: "stress/symlink", because: "Samba 4.17 has no symbolic links" },
    Known { case: "stress/access", because: "modes other than read-only are not kept on the server" },
];
