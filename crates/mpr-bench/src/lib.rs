//! What the benchmarks share: private worlds of configuration and compiled plug-ins, the exported functions,
//! and ways to measure.

pub mod policy;

use libloading::{Library, Symbol};
use mpr_abi::{DWORD, HANDLE, HWND, LPCWSTR, LPVOID, LPWSTR, NETRESOURCEW};
use std::ffi::OsStr;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr::null_mut;
use std::time::{Duration, Instant};

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels below the root").to_owned()
}

/// A file that `cargo build --release` made.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("release").join(name)
}

/// Builds what is measured.
pub fn build() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).current_dir(root()).args(["build", "--release", "--quiet"]).status();
    assert!(built.is_ok_and(|status| status.success()), "cargo build --release failed");
}

/// A configuration of its own, with plug-ins of its own.
#[derive(Debug)]
pub struct World {
    home: tempfile::TempDir,
}

impl World {
    /// An empty one without an audit trail; `settings` are those of its `mpr.toml` besides.
    #[must_use]
    pub fn new(settings: &str) -> Self {
        World::with_audit("off", settings)
    }

    /// The same with a trail.
    #[must_use]
    pub fn with_audit(mode: &str, settings: &str) -> Self {
        let world = World { home: tempfile::tempdir().expect("a temporary directory") };
        world.write("etc/mpr.toml", &format!("audit = \"{mode}\"\n{settings}"));
        world
    }

    /// A path in this world.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below the home")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// Compiles a plug-in of this crate and returns where it is.
    #[must_use]
    pub fn compile(&self, source: &str, name: &str, options: &[&str]) -> PathBuf {
        let library = self.path(&format!("{name}.so"));
        let compiled = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-fshort-wchar", "-o"])
            .arg(&library)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins").join(source))
            .arg("-I")
            .arg(root().join("include/mpr"))
            .args(options)
            .status();
        assert!(compiled.is_ok_and(|status| status.success()), "cc failed; Debian has it in the package gcc");
        library
    }

    /// Registers `count` providers; the last one is connected through, those before it are strangers.
    pub fn providers(&self, count: usize, options: &[&str]) -> PathBuf {
        let stranger = self.compile("provider.c", "stranger", &["-DNOT_MINE"]);
        let last = self.compile("provider.c", "provider", options);
        for at in 1..=count {
            let path = if at == count {
                last.clone()
            } else {
                let copy = self.path(&format!("stranger{at}.so"));
                fs::copy(&stranger, &copy).expect("a copy");
                copy
            };
            self.write(
                &format!("etc/providers.d/p{at:03}.toml"),
                &format!("path = {path:?}\nname = \"Network {at}\"\n"),
            );
        }
        last
    }

    /// Registers `count` notification libraries.
    pub fn notifyees(&self, count: usize, options: &[&str]) {
        let library = self.compile("notifyee.c", "notifyee", options);
        for at in 0..count {
            // The same file would be one library.
            let copy = self.path(&format!("notifyee{at}.so"));
            fs::copy(&library, &copy).expect("a copy");
            self.write(&format!("etc/notifyees.d/n{at:03}.toml"), &format!("path = {copy:?}\n"));
        }
    }

    /// A program that lives in this world.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("MPR_CONFIG_DIRS", self.path("etc"))
            .env("MPR_STATE_DIR", self.path("state"))
            .env("MPR_RUNTIME_DIR", self.path("run"))
            .env("MPR_LOG", "stderr");
        command
    }
}

type AddConnection2 = unsafe extern "system" fn(*mut NETRESOURCEW, LPCWSTR, LPCWSTR, DWORD) -> DWORD;
type CancelConnection2 = unsafe extern "system" fn(LPCWSTR, DWORD, i32) -> DWORD;
type GetConnection = unsafe extern "system" fn(LPCWSTR, LPWSTR, *mut DWORD) -> DWORD;
type OpenEnum = unsafe extern "system" fn(DWORD, DWORD, DWORD, *mut NETRESOURCEW, *mut HANDLE) -> DWORD;
type EnumResource = unsafe extern "system" fn(HANDLE, *mut DWORD, LPVOID, *mut DWORD) -> DWORD;
type CloseEnum = unsafe extern "system" fn(HANDLE) -> DWORD;
type NpAddConnection3 = unsafe extern "system" fn(HWND, *mut NETRESOURCEW, LPWSTR, LPWSTR, DWORD) -> DWORD;
type NpCancelConnection = unsafe extern "system" fn(LPWSTR, i32) -> DWORD;

/// A wide string for a call.
#[must_use]
pub fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// `libmpr.so` and the functions of it that are measured.
#[derive(Debug)]
pub struct Router {
    add: Symbol<'static, AddConnection2>,
    cancel: Symbol<'static, CancelConnection2>,
    get: Symbol<'static, GetConnection>,
    open: Symbol<'static, OpenEnum>,
    next: Symbol<'static, EnumResource>,
    close: Symbol<'static, CloseEnum>,
}

fn symbol<T>(library: &'static Library, name: &str) -> Symbol<'static, T> {
    // SAFETY: the caller names a function of type `T`, as the headers have it.
    unsafe { library.get(name.as_bytes()) }.unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn load(path: &Path) -> &'static Library {
    // SAFETY: our own library, whose constructors do nothing.
    let library = unsafe { Library::new(path) }.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Box::leak(Box::new(library))
}

fn resource(local: LPWSTR, remote: LPWSTR) -> NETRESOURCEW {
    NETRESOURCEW {
        dwScope: 0,
        dwType: 1,
        dwDisplayType: 0,
        dwUsage: 0,
        lpLocalName: local,
        lpRemoteName: remote,
        lpComment: null_mut(),
        lpProvider: null_mut(),
    }
}

impl Router {
    /// Loads the library that was built.
    #[must_use]
    pub fn load() -> Self {
        let library = load(&built("libmpr.so"));
        Router {
            add: symbol(library, "WNetAddConnection2W"),
            cancel: symbol(library, "WNetCancelConnection2W"),
            get: symbol(library, "WNetGetConnectionW"),
            open: symbol(library, "WNetOpenEnumW"),
            next: symbol(library, "WNetEnumResourceW"),
            close: symbol(library, "WNetCloseEnum"),
        }
    }

    /// Connects and cancels once, with a device or without.
    pub fn pair(&self, local: Option<&str>) -> impl Fn() + '_ {
        let (local, remote) = (local.map(wide), wide(r"\\srv\share"));
        let name = local.clone().unwrap_or_else(|| remote.clone());
        move || {
            let pointer = |text: &Vec<u16>| text.as_ptr().cast_mut();
            let mut asked = resource(local.as_ref().map_or(null_mut(), pointer), pointer(&remote));
            // SAFETY: structure and strings are valid for the calls, which do not write to them.
            let (added, cancelled) = unsafe {
                (
                    (self.add)(&mut asked, std::ptr::null(), std::ptr::null(), 0),
                    (self.cancel)(name.as_ptr(), 0, 0),
                )
            };
            assert_eq!((added, cancelled), (0, 0));
        }
    }

    /// Connects a device and leaves it so.
    pub fn connect(&self, local: &str) {
        let (mut local, mut remote) = (wide(local), wide(r"\\srv\share"));
        let mut asked = resource(local.as_mut_ptr(), remote.as_mut_ptr());
        // SAFETY: structure and strings are valid for the call.
        let added = unsafe { (self.add)(&mut asked, std::ptr::null(), std::ptr::null(), 0) };
        assert_eq!(added, 0);
    }

    /// Asks what a device is connected to; returns the status.
    pub fn connection(&self, local: &str) -> impl Fn() -> DWORD + '_ {
        let local = wide(local);
        move || {
            let mut buffer = [0_u16; 64];
            let mut size = 64;
            // SAFETY: the string is terminated, the buffer as long as said.
            unsafe { (self.get)(local.as_ptr(), black_box(buffer.as_mut_ptr()), &mut size) }
        }
    }

    /// Enumerates a scope to its end with the customary buffer; returns the number of entries.
    #[must_use]
    pub fn enumerate(&self, scope: DWORD) -> u64 {
        let mut handle = null_mut();
        // SAFETY: the handle's place is valid.
        assert_eq!(unsafe { (self.open)(scope, 0, 0, null_mut(), &mut handle) }, 0);
        let mut buffer = vec![0_u64; 2048];
        let mut entries = 0;
        loop {
            let (mut count, mut bytes) = (u32::MAX, 16384);
            // SAFETY: the handle is open, the buffer as long as said.
            let status = unsafe { (self.next)(handle, &mut count, buffer.as_mut_ptr().cast(), &mut bytes) };
            match status {
                0 => entries += u64::from(count),
                259 => break,
                other => panic!("status {other}"),
            }
        }
        // SAFETY: the handle is open.
        assert_eq!(unsafe { (self.close)(handle) }, 0);
        entries
    }
}

/// The same pair as [`Router::pair`] without a device, straight to the provider's functions.
pub fn direct_pair(provider: &Path) -> impl Fn() {
    let library = load(provider);
    let add: Symbol<'static, NpAddConnection3> = symbol(library, "NPAddConnection3");
    let cancel: Symbol<'static, NpCancelConnection> = symbol(library, "NPCancelConnection");
    let remote = wide(r"\\srv\share");
    move || {
        let name = remote.as_ptr().cast_mut();
        let mut asked = resource(null_mut(), name);
        // SAFETY: structure and strings are valid for the calls, and this provider does not write to them.
        let (added, cancelled) =
            unsafe { (add(null_mut(), &mut asked, null_mut(), null_mut(), 0), cancel(name, 0)) };
        assert_eq!((added, cancelled), (0, 0));
    }
}

/// Median time of one run of each, in nanoseconds, taken in turns so that noise falls on all alike.
pub fn in_turns<const N: usize>(mut subjects: [&mut dyn FnMut(); N]) -> [f64; N] {
    const ROUNDS: usize = 31;
    const ROUND: Duration = Duration::from_millis(4);
    let mut times = [const { Vec::new() }; N];
    let runs = subjects.each_mut().map(|subject| {
        let (mut runs, started) = (0_u32, Instant::now());
        while started.elapsed() < ROUND {
            subject();
            runs += 1;
        }
        runs.max(1)
    });
    for _ in 0..ROUNDS {
        for ((subject, &runs), times) in subjects.iter_mut().zip(&runs).zip(&mut times) {
            let started = Instant::now();
            for _ in 0..runs {
                subject();
            }
            times.push(started.elapsed().as_secs_f64() * 1e9 / f64::from(runs));
        }
    }
    times.map(median)
}

/// The middle one.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
