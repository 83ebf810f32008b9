//! Plug-ins written in C, compiled when a test needs one.

#![allow(dead_code)] // No test program needs all of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A compiled library in a directory of its own, both gone with the value. A library that was loaded stays
/// mapped; removing its file does not disturb that.
pub(crate) struct Library {
    _directory: TempDir,
    path: PathBuf,
}

impl Library {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Compiles `source` to a shared object. The types of `npapi.h` are there without being included.
pub(crate) fn library(source: &str) -> Library {
    library_with(source, &["-shared"])
}

/// Compiles `source` with further `flags`.
pub(crate) fn library_with(source: &str, flags: &[&str]) -> Library {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (file, path) = (directory.path().join("plugin.c"), directory.path().join("plugin.so"));
    std::fs::write(&file, format!("{PRELUDE}\n{source}\n")).expect("the source is written");
    let output = Command::new("cc")
        .args(["-std=gnu11", "-fPIC", "-fshort-wchar", "-Wall", "-Werror=implicit-function-declaration"])
        .args(flags)
        .arg("-o")
        .arg(&path)
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .expect("tests compile plug-ins with `cc`; install the Debian package gcc");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Library { _directory: directory, path }
}

const PRELUDE: &str = r#"
#include <stddef.h>
#include <stdint.h>
#include <string.h>
typedef uint32_t DWORD;
typedef int BOOL;
typedef uint16_t WCHAR;
typedef struct { DWORD scope, type, display, usage; WCHAR *local, *remote, *comment, *provider; } NETRESOURCE;
typedef struct { DWORD when, status; void *context; } NOTIFYINFO;
typedef struct { void *owner; NETRESOURCE resource; DWORD flags; } NOTIFYADD;
typedef struct { WCHAR *name, *provider; DWORD flags; BOOL force; } NOTIFYCANCEL;
#define W(text) ((WCHAR *)(u"" text))
static __attribute__((unused)) size_t wlen(const WCHAR *s) { size_t n = 0; while (s[n]) n++; return n; }
static __attribute__((unused)) int weq(const WCHAR *a, const WCHAR *b) { while (*a && *a == *b) a++, b++; return *a == *b; }
"#;
