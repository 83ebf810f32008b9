//! What tests with real mounts need: the helper programs, and a run-time directory that takes everything
//! mounted in it along when it goes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use mpr_helper::connections::{Connections, detach};
use mpr_helper::mounts::Table;

/// The helper `mpr-mount`, built from the sources beside the tests.
///
/// # Panics
///
/// If it cannot be built.
#[must_use]
pub fn mpr_mount() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build().join("mpr-mount"))
}

/// The helper `mpr-host`, built from the sources beside the tests.
///
/// # Panics
///
/// If it cannot be built.
#[must_use]
pub fn mpr_host() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build().join("mpr-host"))
}

/// A run-time directory. When dropped, what is mounted in it is unmounted, and the helpers end.
#[derive(Debug)]
pub struct RuntimeDir(tempfile::TempDir);

impl RuntimeDir {
    /// A new one.
    ///
    /// # Panics
    ///
    /// Without a place for temporary files.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a default value that makes a directory would surprise")]
    pub fn new() -> RuntimeDir {
        let directory = tempfile::Builder::new().prefix("mpr-run-").tempdir();
        RuntimeDir(directory.expect("a place for temporary files"))
    }

    /// Where it is, free of links.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.0.path().canonicalize().expect("it is there as long as this is")
    }

    /// The connections in it.
    #[must_use]
    pub fn connections(&self) -> Connections {
        Connections::of(&self.path())
    }
}

impl Drop for RuntimeDir {
    fn drop(&mut self) {
        end_connections(&self.path());
    }
}

/// Ends every connection whose run-time directory is `runtime` and unmounts what is left below it. To be
/// called before a directory is removed: its removal would go on into whatever is mounted there.
pub(crate) fn end_connections(runtime: &Path) {
    let connections = Connections::of(runtime);
    for connection in connections.all().unwrap_or_default() {
        let _ = connections.end_by_force(&connection);
    }
    // What has lost its record.
    let table = Table::now().unwrap_or_default();
    for mount in table.iter().filter(|mount| mount.mount_point.starts_with(runtime)) {
        let _ = detach(&mount.mount_point);
    }
}

/// `libmpr.so`, built from the sources beside the tests.
///
/// # Panics
///
/// If it cannot be built.
#[must_use]
pub fn libmpr() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build().join("libmpr.so"))
}

/// The command `mpr`, built from the sources beside the tests.
///
/// # Panics
///
/// If it cannot be built.
#[must_use]
pub fn mpr() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build().join("mpr"))
}

/// Builds the workspace in the profile of the test, and returns where cargo puts it. The whole workspace,
/// because a package by itself would be built with other features, over and over.
fn build() -> PathBuf {
    // target/<profile>/deps/test-…
    let test = std::env::current_exe().expect("a test knows where it is");
    let profile = test.ancestors().nth(2).expect("a test lies in target/<profile>/deps");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--workspace"]);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    // A test under a sanitizer is built for a target by name, and its flags are not for build scripts and macros.
    build.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    build.arg("--manifest-path").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml"));
    if let Some(target) = profile.parent() {
        build.arg("--target-dir").arg(target);
    }
    let built = build.status().expect("cargo can be run, because it built this test");
    assert!(built.success(), "the workspace does not build; see above");
    profile.to_owned()
}
