//! The tests of what is `unsafe`, under AddressSanitizer.

use crate::shell::{Result, cargo, root};
use crate::test::{Summary, count};

/// Crates with `unsafe` code that tests of their own exercise.
const CRATES: &[&str] = &["mpr-plugin", "mpr", "mpr-capi"];
/// A sanitizer needs a target named, so that build scripts and macros stay as they are.
const TARGET: &str = "x86_64-unknown-linux-gnu";

pub(crate) fn run() -> Result<Summary> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        eprintln!("AddressSanitizer is run on x86-64 Linux only; passed over");
        return Ok(Summary::default());
    }
    let mut test = cargo();
    test.args(["test", "--no-fail-fast", "--lib", "--tests", "--target", TARGET]);
    for name in CRATES {
        test.args(["--package", name]);
    }
    // The flag is one of the nightly compiler's; this lets the stable one take it.
    test.env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address -Cforce-frame-pointers=yes")
        .env("CARGO_TARGET_DIR", root().join("target/asan"))
        .env("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=1");
    count(&mut test)
}
