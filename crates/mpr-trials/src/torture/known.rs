//! What does not pass yet, or never will. Each line is a promise: when it passes, the run fails until the
//! line is gone. What pjdfstest knows to fail is in `pjdfstest.toml`, beside the manifest.

use crate::verdict::Known;

const LOCAL: &str = "locks hold on one machine only";
const GONE: &str = "a name another client removed cannot be made again for a second (ENOENT)";

pub(super) const KNOWN: &[Known] = &[
    Known {
        case: "server/who waits for a frozen server can be killed",
        because: "interrupts are not answered yet",
    },
    Known { case: "fsx/holes", because: "holes are not punched, and room is not reserved" },
    Known { case: "stress/link", because: "there are no hard links" },
    Known { case: "stress/symlink", because: "there are no symbolic links" },
    Known { case: "stress/xattr", because: "there are no extended attributes" },
    Known { case: "two/what one writes the other reads", because: GONE },
    Known { case: "two/locks of fcntl exclude", because: LOCAL },
    Known { case: "two/locks of flock exclude", because: LOCAL },
    Known { case: "two/a counter under locks loses no count", because: LOCAL },
    Known { case: "database/writers on two mounts", because: LOCAL },
    Known { case: "stress/access", because: "modes other than read-only are not kept on the server" },
    Known { case: "stress/fsize", because: "fallocate takes sizes no file can have" },
];
