//! A namespace of a real server, mounted for real: what its links lead to is there, for programs as they are.

use std::fs;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use mpr_testkit::Samba;

mod common;
use common::{Mounted, eventually, names, pattern};

fn mounted() -> Mounted {
    Mounted::of(Arc::new(Samba::start()), "dfs")
}

/// What a program says, which must succeed and complain of nothing.
#[track_caller]
fn run(program: &str, arguments: &[&str], at: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(at).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{program} {arguments:?}: {complaints}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn programs_walk_over_links_as_if_there_were_none() {
    let mounted = mounted();
    let root = &mounted.root;
    fs::create_dir(root.join("sub")).unwrap();
    symlink(r"msdfs:127.0.0.1\rw", mounted.samba.data("dfs").join("sub/deep")).unwrap();
    eventually("the link is listed", || names(&root.join("sub")) == ["deep"]);
    assert!(fs::metadata(root.join("to-rw")).unwrap().is_dir());

    let data = pattern(3 << 20);
    fs::create_dir_all(root.join("to-rw/a/b")).unwrap();
    fs::write(root.join("to-rw/a/b/file"), &data).unwrap();
    fs::write(root.join("to-rw/a/small"), "small").unwrap();
    assert!(fs::read(mounted.samba.data("rw").join("a/b/file")).unwrap() == data);
    assert!(fs::read(root.join("sub/deep/a/b/file")).unwrap() == data, "by the other link");

    let found = run("find", &["sub", "to-rw"], root);
    let mut found: Vec<&str> = found.lines().collect();
    found.sort_unstable();
    let wanted = [
        "sub",
        "sub/deep",
        "sub/deep/a",
        "sub/deep/a/b",
        "sub/deep/a/b/file",
        "sub/deep/a/small",
        "to-rw",
        "to-rw/a",
        "to-rw/a/b",
        "to-rw/a/b/file",
        "to-rw/a/small",
    ];
    assert_eq!(found, wanted);
    let listed = run("ls", &["-lR", "."], root);
    assert!(listed.contains("./sub/deep/a/b:") && !listed.contains('?'), "{listed}");
    let number = |path: &str| fs::metadata(root.join(path)).unwrap().ino();
    assert_ne!(number("to-rw/a/small"), number("sub/deep/a/small"), "two shares, as far as can be seen");

    // Over the border, `mv` and `cp` do what they do between file systems.
    run("mv", &["to-rw/a/small", "moved"], root);
    assert_eq!(fs::read_to_string(mounted.samba.data("dfs").join("moved")).unwrap(), "small");
    run("cp", &["-r", "to-rw/a", "copied"], root);
    assert!(fs::read(root.join("copied/b/file")).unwrap() == data);
    run("cp", &["-r", "copied", "to-rw/c"], root);
    run("rm", &["-r", "to-rw/c"], root);
    assert!(!mounted.samba.data("rw").join("c").exists());

    // A link stays, and its directory may get another name.
    for link in ["to-rw", "sub/deep"] {
        assert_eq!(fs::remove_dir(root.join(link)).unwrap_err().raw_os_error(), Some(libc::EBUSY));
    }
    fs::write(root.join("sub/deep/again"), "again").unwrap();
    fs::rename(root.join("sub"), root.join("other")).unwrap();
    assert_eq!(fs::read_to_string(root.join("other/deep/again")).unwrap(), "again");
    mounted.unmount();
    assert!(mounted.is_gone());
}

#[test]
fn what_is_behind_a_link_outlasts_a_lost_connection() {
    let mounted = mounted();
    let path = mounted.root.join("to-rw/file");
    let mut file = fs::File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    file.write_all(b"before").unwrap();
    file.sync_all().unwrap();
    mounted.samba.break_connections();
    eventually("it is reached again", || fs::metadata(&path).is_ok_and(|meta| meta.len() == 6));
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "before");
    eventually("the other is, too", || names(&mounted.root) == ["to-rw"]);
    assert!(mounted.health().reconnects >= 2);
}

#[test]
fn a_link_that_leads_nowhere_is_in_nobodys_way() {
    let mounted = mounted();
    symlink(r"msdfs:elsewhere.invalid\data", mounted.samba.data("dfs").join("away")).unwrap();
    eventually("the link is listed", || names(&mounted.root) == ["away", "to-rw"]);
    run("ls", &["-l", "."], &mounted.root);
    let error = fs::read_dir(mounted.root.join("away")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EHOSTUNREACH));
    fs::write(mounted.root.join("to-rw/file"), "goes on").unwrap();
    assert_eq!(fs::read_to_string(mounted.root.join("to-rw/file")).unwrap(), "goes on");
}
