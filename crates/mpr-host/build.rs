//! Lets the program export the WNet functions, as the shared object does.
//!
//! A provider or notification library that the program loads looks for `WNetSetLastErrorW` among the symbols of
//! the process. Without the export it would find none, or pull in a `libmpr.so` of its own with a router of its
//! own: either way its errors would not reach the router that called it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        let list = concat!(env!("CARGO_MANIFEST_DIR"), "/../mpr-capi/exports.list");
        println!("cargo:rerun-if-changed={list}");
        println!("cargo:rustc-link-arg-bins=-Wl,--dynamic-list={list}");
    }
}
