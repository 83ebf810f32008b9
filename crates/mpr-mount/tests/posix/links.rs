//! Several names for one file.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, symlink};

use mpr_helper::protocol::Taste;

use crate::common::{Mounted, eventually, names};

#[test]
fn names_that_are_links_are_one_file() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("hard-links");
    fs::write(here.join("a"), "first").unwrap();
    fs::hard_link(here.join("a"), here.join("b")).unwrap();
    let (a, b) = (fs::metadata(here.join("a")).unwrap(), fs::metadata(here.join("b")).unwrap());
    assert_eq!((a.ino(), a.nlink()), (b.ino(), b.nlink()));
    assert_eq!(a.nlink(), 2);
    // What is written under one name is read under the other, at once.
    let mut reader = File::open(here.join("b")).unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    File::options().append(true).open(here.join("a")).unwrap().write_all(b", second").unwrap();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "first, second");
    assert_eq!(fs::metadata(there.join("b")).unwrap().nlink(), 2);
    fs::remove_file(here.join("a")).unwrap();
    assert_eq!(fs::read_to_string(here.join("b")).unwrap(), "first, second");
    assert_eq!(names(&there), ["b"]);
}

#[test]
fn a_link_can_be_removed_while_the_file_is_open_under_another_name() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("open-links");
    fs::write(here.join("a"), "kept").unwrap();
    fs::hard_link(here.join("a"), here.join("b")).unwrap();
    let open = File::open(here.join("a")).unwrap();
    fs::remove_file(here.join("b")).unwrap();
    assert_eq!(names(&here), ["a"]);
    assert_eq!(fs::read_to_string(here.join("a")).unwrap(), "kept");
    drop(open);
    eventually("one name is left on the server", || names(&there) == ["a"]);
    let error = fs::hard_link(here.join("a"), here.join("a")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
}

#[test]
fn a_file_that_is_known_under_one_name_is_recognised_under_another() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("recognised");
    // Made by others. A listing does not say how many names a file has; its number it says.
    fs::write(there.join("a"), "a").unwrap();
    fs::hard_link(there.join("a"), there.join("b")).unwrap();
    let listed: Vec<u64> = fs::read_dir(&here)
        .unwrap()
        .map(|entry| std::os::unix::fs::DirEntryExt::ino(&entry.unwrap()))
        .collect();
    assert_eq!(listed[0], listed[1]);
    let inode = |name: &str| fs::metadata(here.join(name)).unwrap().ino();
    assert_eq!((inode("a"), inode("b")), (listed[0], listed[0]));
    eventually("the number of names is known", || fs::metadata(here.join("b")).unwrap().nlink() == 2);
}

#[test]
fn a_server_without_symbolic_links_says_so_as_file_systems_do() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("symbolic-links");
    let error = symlink("target", here.join("link")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    assert_eq!(names(&there), Vec::<String>::new());
}

#[test]
fn files_stand_for_symbolic_links_if_that_is_wanted() {
    let mounted = Mounted::to_taste("rw", Taste { symlinks_in_files: Some(true), ..Taste::default() });
    let (here, _) = mounted.place("links-in-files");
    fs::create_dir(here.join("d")).unwrap();
    fs::write(here.join("d/f"), "text").unwrap();
    symlink("d/f", here.join("link")).unwrap();
    symlink("nowhere", here.join("dangling")).unwrap();
    symlink("d", here.join("to-directory")).unwrap();
    assert_eq!(fs::read_link(here.join("link")).unwrap().to_str(), Some("d/f"));
    assert_eq!(fs::read_to_string(here.join("link")).unwrap(), "text");
    assert_eq!(fs::read_to_string(here.join("to-directory/f")).unwrap(), "text");
    assert!(fs::symlink_metadata(here.join("link")).unwrap().is_symlink());
    assert!(fs::metadata(here.join("dangling")).is_err());
    assert_eq!(symlink("x", here.join("link")).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    fs::rename(here.join("link"), here.join("renamed")).unwrap();
    fs::remove_file(here.join("to-directory")).unwrap();
    fs::remove_file(here.join("dangling")).unwrap();
    assert_eq!(names(&here), ["d", "renamed"]);
    assert_eq!(fs::read_to_string(here.join("renamed")).unwrap(), "text");
}
