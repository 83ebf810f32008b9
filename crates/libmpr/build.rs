//! Gives the shared object the name that programs linked with it look for, and lets it be found by that name
//! where cargo puts it, as it will be where it is installed.

use std::path::{Path, PathBuf};

/// The name in the file, by which programs linked with it load it.
const SONAME: &str = "libmpr.so.0";
/// What .NET Core makes of `mpr.dll`.
const DLL_NAME: &str = "libmpr.dll.so";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{SONAME}");
        for name in [SONAME, DLL_NAME] {
            if let Err(error) = link(name) {
                println!("cargo:warning=no link {name} beside libmpr.so: {error}");
            }
        }
    }
}

/// Makes the link beside where `libmpr.so` will be: three levels above `<profile>/build/<package>/out`.
fn link(name: &str) -> std::io::Result<()> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let profile = out.ancestors().nth(3).expect("cargo has it that deep");
    let link = profile.join(name);
    if link.is_symlink() {
        return Ok(());
    }
    symlink(Path::new("libmpr.so"), &link)
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
