//! What a share carries of POSIX beyond names and contents, against a real server.

mod common;

use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mpr_abi::Status;
use mpr_remotefs::{Allocation, Errno, Kind, Lock, RemoteFs, Seek, SetMode};
use mpr_smb::{SmbFile, SmbFs};
use mpr_testkit::Samba;

use common::{BOTH, NEW, READ, target};

const NO_DATA: Errno = Errno(libc::ENODATA);

/// A directory of the shared server that one test has to itself, and a connection to it.
struct Place {
    samba: Arc<Samba>,
    name: &'static str,
    fs: SmbFs,
}

impl Place {
    async fn named(name: &'static str) -> Place {
        let samba = Samba::shared();
        let place = samba.data("rw").join(name);
        fs::create_dir(&place).unwrap();
        std::os::unix::fs::chown(&place, Some(owner(&samba)), None).unwrap();
        let fs = Self::connect(&samba, name).await;
        Place { samba, name, fs }
    }

    async fn connect(samba: &Samba, name: &str) -> SmbFs {
        SmbFs::connect(target(samba), "rw", name, &|_| {}).await.unwrap()
    }

    /// Another client at the same place.
    async fn other(&self) -> SmbFs {
        Self::connect(&self.samba, self.name).await
    }

    fn there(&self, path: &str) -> PathBuf {
        self.samba.data("rw").join(self.name).join(path)
    }

    async fn file(&self, path: &str, contents: &[u8]) -> SmbFile {
        let (file, _) = self.fs.create(path, NEW).await.unwrap();
        if !contents.is_empty() {
            self.fs.write(&file, 0, Bytes::copy_from_slice(contents)).await.unwrap();
        }
        file
    }
}

fn owner(samba: &Samba) -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(samba.data("rw")).unwrap().uid()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_has_little_to_remember_while_it_waits() {
    let place = Place::named("little").await;
    let (file, _) = place.fs.create("a", NEW).await.unwrap();
    let sizes = [
        size_of_val(&place.fs.read(&file, 0, 4096)),
        size_of_val(&place.fs.write(&file, 0, Bytes::new())),
        size_of_val(&place.fs.stat_open(&file)),
    ];
    assert!(sizes.iter().all(|size| *size < 2048), "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_has_two_names_and_either_is_the_file() {
    let place = Place::named("two-names").await;
    let file = place.file("one", b"contents").await;
    let linked = place.fs.link("one", "two").await.unwrap();
    let one = place.fs.stat("one").await.unwrap();
    assert_eq!((linked.id, linked.size, linked.kind), (one.id, 8, Kind::File));
    assert_eq!((one.links, linked.links), (2, 2));
    assert_eq!(place.fs.stat_open(&file).await.unwrap().links, 2);
    assert_eq!(fs::read(place.there("two")).unwrap(), b"contents");

    place.fs.close(&file).await;
    place.fs.remove_file("one", false).await.unwrap();
    assert_eq!(place.fs.stat("two").await.unwrap().links, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_name_replaces_nothing_and_a_directory_gets_none() {
    let place = Place::named("no-names").await;
    place.fs.close(&place.file("one", b"1").await).await;
    place.fs.close(&place.file("two", b"2").await).await;
    place.fs.make_directory("d").await.unwrap();
    assert_eq!(place.fs.link("one", "two").await, Err(Errno::EXISTS));
    assert_eq!(place.fs.link("none", "three").await, Err(Errno::NOT_FOUND));
    assert_eq!(place.fs.link("d", "e").await, Err(Errno(libc::EPERM)));
    assert_eq!(fs::read(place.there("two")).unwrap(), b"2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extended_attribute_is_one_of_the_file_there() {
    let place = Place::named("attributes").await;
    place.fs.close(&place.file("f", b"").await).await;
    let set = |name: &'static str, value: &'static [u8], mode| {
        place.fs.set_xattr("f", name, Bytes::from_static(value), mode)
    };
    assert_eq!(place.fs.xattrs("f").await, Ok(vec![]));
    assert_eq!(place.fs.xattr("f", "user.origin").await, Err(NO_DATA));
    set("user.origin", b"camera\0 7", SetMode::Any).await.unwrap();
    set("user.Größe", b"2", SetMode::Create).await.unwrap();
    assert_eq!(place.fs.xattr("f", "user.origin").await.unwrap(), b"camera\0 7".as_slice());
    let mut names = place.fs.xattrs("f").await.unwrap();
    names.sort();
    assert_eq!(names, ["user.Größe", "user.origin"]);
    assert_eq!(xattr_there(&place, "f", "user.origin").unwrap(), b"camera\0 7");

    assert_eq!(set("user.origin", b"x", SetMode::Create).await, Err(Errno::EXISTS));
    assert_eq!(set("user.new", b"x", SetMode::Replace).await, Err(NO_DATA));
    set("user.origin", b"phone", SetMode::Replace).await.unwrap();
    assert_eq!(place.fs.xattr("f", "user.origin").await.unwrap(), b"phone".as_slice());

    place.fs.remove_xattr("f", "user.origin").await.unwrap();
    assert_eq!(place.fs.remove_xattr("f", "user.origin").await, Err(NO_DATA));
    assert_eq!(place.fs.xattrs("f").await.unwrap(), ["user.Größe"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directories_have_extended_attributes_and_what_cannot_be_kept_is_refused() {
    let place = Place::named("limits").await;
    place.fs.make_directory("d").await.unwrap();
    let set = |name: &'static str, len: usize| {
        place.fs.set_xattr("d", name, Bytes::from(vec![7; len]), SetMode::Any)
    };
    set("user.tag", 3).await.unwrap();
    assert_eq!(place.fs.xattr("d", "user.tag").await.unwrap(), [7, 7, 7].as_slice());
    assert_eq!(set("user.tag", 0).await, Err(Errno::UNSUPPORTED));
    assert_eq!(set("user.tag", 70_000).await, Err(Errno(libc::ERANGE)));
    assert_eq!(set("security.tag", 3).await, Err(Errno::UNSUPPORTED));
    // More than the file system there keeps of one file, less than the protocol carries.
    let refused = set("user.tag", 60_000).await.unwrap_err();
    assert!([libc::ENOSPC, libc::ERANGE].contains(&refused.0), "{refused:?}");
    assert_eq!(place.fs.xattr("d", "user.tag").await.unwrap(), [7, 7, 7].as_slice());
}

fn xattr_there(place: &Place, path: &str, name: &str) -> Option<Vec<u8>> {
    let path = std::ffi::CString::new(place.there(path).to_str().unwrap()).unwrap();
    let name = std::ffi::CString::new(name).unwrap();
    let mut value = vec![0; 1024];
    // SAFETY: strings that end, and a buffer of the length given.
    let len = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    value.truncate(usize::try_from(len).ok()?);
    Some(value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_keeps_other_clients_out_until_it_is_given_back() {
    let place = Place::named("locks").await;
    let other = place.other().await;
    let mine = place.file("f", b"0123456789").await;
    let (theirs, _) = other.open("f", BOTH).await.unwrap();

    place.fs.lock(&mine, 2..5, Lock::Exclusive).await.unwrap();
    assert_eq!(other.lock(&theirs, 4..6, Lock::Exclusive).await, Err(Errno::LOCKED));
    assert_eq!(other.lock(&theirs, 4..6, Lock::Shared).await, Err(Errno::LOCKED));
    other.lock(&theirs, 5..6, Lock::Exclusive).await.unwrap();
    other.lock(&theirs, 0..2, Lock::Shared).await.unwrap();
    place.fs.lock(&mine, 0..1, Lock::Shared).await.unwrap();
    assert_eq!(place.fs.lock(&mine, 1..2, Lock::Exclusive).await, Err(Errno::LOCKED));
    assert_eq!(place.fs.lock(&mine, 7..7, Lock::Shared).await, Err(Errno(libc::EINVAL)));

    place.fs.unlock(&mine, 2..5).await.unwrap();
    other.lock(&theirs, 4..5, Lock::Exclusive).await.unwrap();
    // To the end of everything, as a lock of a whole file is.
    assert_eq!(place.fs.lock(&mine, 4..u64::MAX, Lock::Exclusive).await, Err(Errno::LOCKED));
    other.close(&theirs).await;
    place.fs.lock(&mine, 4..u64::MAX, Lock::Exclusive).await.unwrap();
    place.fs.close(&mine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_nobody_waits_for_any_more_is_not_kept() {
    let samba = Samba::start();
    let connect = || SmbFs::connect(target(&samba), "rw", "", &|_| {});
    let (one, other) = (connect().await.unwrap(), connect().await.unwrap());
    let (mine, _) = one.create("f", NEW).await.unwrap();
    let (theirs, _) = other.open("f", BOTH).await.unwrap();
    samba.freeze();
    let given_up = tokio::time::timeout(Duration::from_millis(50), one.lock(&mine, 0..10, Lock::Exclusive));
    assert!(given_up.await.is_err(), "a server that stands still does not answer");
    samba.thaw();
    // Behind what was abandoned.
    one.stat_open(&mine).await.unwrap();
    other.lock(&theirs, 5..6, Lock::Exclusive).await.unwrap();
    assert_eq!(one.lock(&mine, 0..10, Lock::Exclusive).await, Err(Errno::LOCKED));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_are_taken_again_over_a_new_connection() {
    let samba = Samba::start();
    let connect = || SmbFs::connect(target(&samba), "rw", "", &|_| {});
    let (one, other) = (connect().await.unwrap(), connect().await.unwrap());
    let (mine, _) = one.create("f", NEW).await.unwrap();
    one.lock(&mine, 0..10, Lock::Exclusive).await.unwrap();
    samba.break_connections();
    // Whether this finds the connection lost already or loses it on the way is chance.
    let _ = one.write(&mine, 0, Bytes::from_static(b"x")).await;
    one.stat_open(&mine).await.unwrap();

    let (theirs, _) = other.open("f", BOTH).await.unwrap();
    assert_eq!(other.lock(&theirs, 5..6, Lock::Shared).await, Err(Errno::LOCKED));
    other.close(&theirs).await;

    // Whoever comes first after a break may have changed what was locked: then the file is given up.
    samba.break_connections();
    let (theirs, _) = other.open("f", BOTH).await.unwrap();
    other.lock(&theirs, 5..6, Lock::Exclusive).await.unwrap();
    assert_eq!(one.stat_open(&mine).await.unwrap_err(), Errno::STALE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_made_by_the_server() {
    let place = Place::named("copies").await;
    // More than one request, more than one window, and not a whole number of pieces.
    let contents: Vec<u8> = (0..70_000_123u32).map(|n| (n / 7 + n / 1_000_003) as u8).collect();
    fs::write(place.there("from"), &contents).unwrap();
    let (from, _) = place.fs.open("from", READ).await.unwrap();
    let to = place.file("to", b"").await;
    let copied = place.fs.copy(&from, 0, &to, 0, u64::MAX / 4).await.unwrap();
    assert_eq!(copied, contents.len() as u64);
    assert!(fs::read(place.there("to")).unwrap() == contents);

    let part = place.file("part", b"....................").await;
    assert_eq!(place.fs.copy(&from, 1_000_000, &part, 5, 7).await, Ok(7));
    let read = fs::read(place.there("part")).unwrap();
    assert_eq!(read, [b".....", &contents[1_000_000..1_000_007], b"........"].concat());

    let end = contents.len() as u64;
    assert_eq!(place.fs.copy(&from, end - 3, &part, 0, 10).await, Ok(3));
    assert_eq!(place.fs.copy(&from, end, &part, 0, 10).await, Ok(0));
    assert_eq!(place.fs.copy(&from, end + 9, &part, 0, 10).await, Ok(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_within_a_file_does_not_overlap_itself() {
    let place = Place::named("within").await;
    let file = place.file("f", b"abcdefghij").await;
    assert_eq!(place.fs.copy(&file, 0, &file, 5, 5).await, Ok(5));
    assert_eq!(fs::read(place.there("f")).unwrap(), b"abcdeabcde");
    assert_eq!(place.fs.copy(&file, 0, &file, 2, 5).await, Err(Errno(libc::EINVAL)));
}

/// Allocates, and says how long the file is then and how many bytes it takes up.
async fn allocated(place: &Place, file: &SmbFile, range: Range<u64>, how: Allocation) -> (u64, u64) {
    place.fs.allocate(file, range, how).await.unwrap();
    use std::os::unix::fs::MetadataExt;
    let path = place.there("f");
    // The server may have left the new length or the new holes to the file system's own writing.
    fs::File::open(&path).unwrap().sync_all().unwrap();
    let metadata = fs::metadata(&path).unwrap();
    (metadata.len(), metadata.blocks() * 512)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hole_is_made_found_and_reads_as_zeros() {
    const MIB: u64 = 1 << 20;
    let place = Place::named("holes").await;
    let file = place.file("f", &vec![7; 8 << 20]).await;
    let (len, room) = allocated(&place, &file, MIB..3 * MIB, Allocation::Punch).await;
    assert_eq!(len, 8 * MIB);
    assert!(room <= 7 * MIB, "{room}");
    assert!(place.fs.read(&file, MIB, 1 << 20).await.unwrap().iter().all(|byte| *byte == 0));
    assert_eq!(place.fs.read(&file, MIB - 1, 1).await.unwrap(), [7].as_slice());

    let seek = |offset, what| place.fs.seek(&file, offset, what);
    assert_eq!(seek(0, Seek::Data).await, Ok(0));
    assert_eq!(seek(0, Seek::Hole).await, Ok(MIB));
    assert_eq!(seek(MIB, Seek::Data).await, Ok(3 * MIB));
    assert_eq!(seek(2 * MIB, Seek::Hole).await, Ok(2 * MIB));
    assert_eq!(seek(3 * MIB, Seek::Hole).await, Ok(8 * MIB));
    assert_eq!(seek(8 * MIB, Seek::Data).await, Err(Errno(libc::ENXIO)));

    // Behind the end nothing changes.
    assert_eq!(allocated(&place, &file, 7 * MIB..20 * MIB, Allocation::Punch).await.0, 8 * MIB);
    assert_eq!(seek(7 * MIB, Seek::Data).await, Err(Errno(libc::ENXIO)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_holes_are_found_one_after_the_other() {
    let place = Place::named("many-holes").await;
    // Too many for one answer; made behind the server's back, which is faster.
    const HOLES: u64 = 5000;
    place.fs.close(&place.file("f", b"").await).await;
    let there = fs::OpenOptions::new().write(true).open(place.there("f")).unwrap();
    for data in 0..HOLES {
        std::os::unix::fs::FileExt::write_at(&there, b"data", data * 8192 + 4096).unwrap();
    }
    there.set_len(HOLES * 8192).unwrap();
    let (file, _) = place.fs.open("f", BOTH).await.unwrap();
    // Only now the server believes that it has holes.
    place.fs.allocate(&file, 0..4096, Allocation::Punch).await.unwrap();
    for hole in [0, 1, 777, HOLES - 1] {
        let data = hole * 8192 + 4096;
        assert_eq!(place.fs.seek(&file, hole * 8192, Seek::Data).await, Ok(data));
        assert_eq!(place.fs.seek(&file, data, Seek::Hole).await, Ok(data + 4096));
    }
    assert_eq!(place.fs.seek(&file, HOLES * 8192 - 1, Seek::Hole).await, Ok(HOLES * 8192));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_is_set_aside_with_and_without_a_new_length() {
    const MIB: u64 = 1 << 20;
    let place = Place::named("aside").await;
    let file = place.file("f", b"contents").await;
    assert_eq!(allocated(&place, &file, 0..4 * MIB, Allocation::Keep).await.0, 8);
    assert_eq!(allocated(&place, &file, MIB..2 * MIB, Allocation::Extend).await.0, 2 * MIB);
    // What is there already stays as long as it is.
    assert_eq!(allocated(&place, &file, 0..MIB, Allocation::Zero).await.0, 2 * MIB);
    assert_eq!(allocated(&place, &file, 0..3 * MIB, Allocation::Zero).await.0, 3 * MIB);
    assert!(fs::read(place.there("f")).unwrap().iter().all(|byte| *byte == 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_room_than_there_can_be_is_not_set_aside() {
    let place = Place::named("much-room").await;
    let file = place.file("f", b"contents").await;
    for how in [Allocation::Extend, Allocation::Keep, Allocation::Zero] {
        let end = 0x3FFF_FFFF_FFFF_FFFF;
        let refused = place.fs.allocate(&file, end - 4096..end, how).await;
        assert!(matches!(refused, Err(Errno(libc::EFBIG | libc::ENOSPC))), "{how:?}: {refused:?}");
        let refused = place.fs.allocate(&file, 0..1 << 63, how).await;
        assert_eq!(refused, Err(Errno(libc::EFBIG)), "{how:?}");
    }
    assert_eq!(fs::read(place.there("f")).unwrap(), b"contents");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_in_a_hole_cannot_be_set_aside() {
    let place = Place::named("filling").await;
    let file = place.file("f", &[7; 16384]).await;
    place.fs.allocate(&file, 4096..8192, Allocation::Punch).await.unwrap();
    assert_eq!(place.fs.allocate(&file, 0..8192, Allocation::Extend).await, Err(Errno::UNSUPPORTED));
    place.fs.allocate(&file, 8192..16384, Allocation::Extend).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_reparse_points_makes_no_links_unless_files_may_stand_for_them() {
    let place = Place::named("links").await;
    assert_eq!(place.fs.make_symlink("refused", "target").await, Err(Errno::UNSUPPORTED));
    assert_eq!(place.fs.stat("refused").await, Err(Errno::NOT_FOUND));

    let with = place.other().await.with_links_in_files(true);
    let made = with.make_symlink("link", "../else/where").await.unwrap();
    assert_eq!((made.kind, made.size), (Kind::Symlink, 13));
    assert_eq!(with.read_link("link").await.unwrap(), "../else/where");
    assert_eq!(with.make_symlink("link", "other").await, Err(Errno::EXISTS));
    with.make_symlink("absolute", "/usr/lib").await.unwrap();
    assert_eq!(with.read_link("absolute").await.unwrap(), "/usr/lib");
    assert!(fs::read(place.there("link")).unwrap().starts_with(b"XSym\n0013\n"));

    // Whoever did not ask for it sees a file.
    assert_eq!(place.fs.stat("link").await.unwrap().kind, Kind::File);
    assert_eq!(place.fs.read_link("link").await, Err(Errno(libc::EINVAL)));
    with.remove_file("link", false).await.unwrap();
    assert_eq!(with.read_link("link").await, Err(Errno::NOT_FOUND));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_listed_as_links_and_files_of_their_length_as_files() {
    let place = Place::named("listed-links").await;
    let with = place.other().await.with_links_in_files(true);
    with.make_directory("d").await.unwrap();
    for nth in 0..20 {
        with.make_symlink(&format!("d/link-{nth}"), "target").await.unwrap();
    }
    place.fs.close(&place.file("d/file", &[b'X'; 1067]).await).await;
    let directory = with.open_directory("d").await.unwrap();
    let mut links = 0;
    loop {
        let entries = with.next_entries(&directory).await.unwrap();
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            let is_link = entry.name.starts_with("link-");
            let (kind, size) = if is_link { (Kind::Symlink, 6) } else { (Kind::File, 1067) };
            assert_eq!((entry.attributes.kind, entry.attributes.size), (kind, size), "{}", entry.name);
            links += u32::from(is_link);
        }
    }
    assert_eq!(links, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_elsewhere_is_followed_when_it_is_connected() {
    let place = Place::named("behind").await;
    fs::write(place.there("file"), b"here").unwrap();
    let connect = |base: &'static str| SmbFs::connect(target(&place.samba), "dfs", base, &|_| {});
    let linked = connect("to-rw/behind").await.unwrap();
    assert_eq!(linked.stat("file").await.unwrap().size, 4);
    let whole = connect("to-rw").await.unwrap();
    assert_eq!(whole.stat("behind/file").await.unwrap().id, linked.stat("file").await.unwrap().id);
    assert_eq!(connect("to-rw/nowhere").await.unwrap_err().status, Status::BAD_NETNAME.0);

    // A share by itself has one server.
    let root = connect("").await.unwrap();
    assert_eq!(root.stat("to-rw/behind").await, Err(Errno(libc::EREMOTE)));
}

async fn names_in(fs: &SmbFs, path: &str) -> Vec<String> {
    let directory = fs.open_directory(path).await.unwrap();
    let mut listed = Vec::new();
    loop {
        let entries = fs.next_entries(&directory).await.unwrap();
        if entries.is_empty() {
            return listed;
        }
        listed.extend(entries.into_iter().map(|entry| entry.name));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_of_windows_is_a_file_under_its_own_name_and_the_one_it_is_listed_by() {
    let place = Place::named("devices").await;
    for name in ["CON", "aux.txt"] {
        place.fs.close(&place.file(name, name.as_bytes()).await).await;
        assert_eq!(fs::read(place.there(name)).unwrap(), name.as_bytes());
    }
    // Samba lists such files by other names, unless it is told not to; they are the same files.
    let mut known = [place.fs.stat("CON").await.unwrap().id, place.fs.stat("aux.txt").await.unwrap().id];
    let mut found = Vec::new();
    for name in names_in(&place.fs, "").await {
        found.push(place.fs.stat(&name).await.unwrap().id);
    }
    known.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, known);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_windows_could_not_have_is_listed_as_it_was_given() {
    let place = Place::named("names").await;
    let longest = "n".repeat(255);
    let wide = "ä".repeat(127);
    let mut names: Vec<&str> = vec![
        "a:b",
        "a*b?",
        "<|>",
        "\"quoted\"",
        "back\\slash",
        "dot.",
        "blank ",
        " before",
        "tab\tbell\u{7}",
        "Ünïcode",
        "🦀",
        &longest,
        &wide,
    ];
    for name in &names {
        place.fs.close(&place.file(name, name.as_bytes()).await).await;
    }
    let mut listed = names_in(&place.fs, "").await;
    names.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, names);
    for name in names {
        assert_eq!(place.fs.stat(name).await.unwrap().size, name.len() as u64, "{name}");
    }
    let longer = "n".repeat(256);
    assert!(place.fs.stat(&longer).await.is_err());
}
