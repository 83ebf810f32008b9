//! Mounts a file system that is held in memory, to measure what the way through the kernel costs.
//!
//! `cargo run --release -p mpr-mount --example memory -- DIRECTORY` (as root) serves until it is unmounted.

use std::path::PathBuf;
use std::sync::Arc;

use mpr_fuse::{Config, Session};
use mpr_mount::filesystem::{Look, Mounted};
use mpr_mount::{place, process};
use mpr_testkit::MemoryFs;
use tokio::sync::Notify;

fn main() {
    let directory = std::env::args().nth(1).expect("a directory to mount at");
    process::tune_allocator();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mount_point = place::prepare(&PathBuf::from(directory), false).expect("an empty directory");
    let device = place::mount(&mount_point, "memory", place::How::default()).expect("to be mounted");
    let session = Session::begin(device, Config::default()).expect("the kernel agrees");
    let look = Look::of(0, 0);
    let filesystem = Mounted::new(MemoryFs::new(), runtime.handle().clone(), look);
    filesystem.tell_of_events(session.notifier().unwrap());
    let ended = Arc::new(Notify::new());
    let tell = Arc::clone(&ended);
    session.serve(Arc::new(filesystem), runtime.handle(), move || tell.notify_one()).unwrap();
    runtime.block_on(ended.notified());
}
