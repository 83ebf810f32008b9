//! Plug-ins and callers written in C.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// By source and flags, what came of it.
type Compiled = HashMap<(String, Vec<String>), Arc<[u8]>>;

static COMPILED: LazyLock<Mutex<Compiled>> = LazyLock::new(Mutex::default);

/// Compiles the C source `source` into the shared object `<directory>/<name>.so` and returns its path.
///
/// A source that was compiled before by this program is not compiled again.
///
/// Wide characters are 16 bits, as everywhere in this interface, the headers of `include/mpr` are found, and
/// warnings are errors: a test plug-in that is wrong in itself tests nothing. Symbols left undefined are
/// looked up when the library is loaded; `flags` go to the compiler behind everything else.
///
/// # Panics
///
/// Without a compiler, saying which package has one; with the compiler's messages if the source is wrong.
#[track_caller]
#[must_use]
pub fn compile_c(directory: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let file = directory.join(format!("{name}.c"));
    let library = directory.join(format!("{name}.so"));
    let sources = || COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (source.to_owned(), flags.iter().map(|&flag| flag.to_owned()).collect::<Vec<_>>());
    if let Some(compiled) = sources().get(&key).cloned() {
        fs::write(&library, &*compiled)
            .and_then(|()| fs::set_permissions(&library, fs::Permissions::from_mode(0o755)))
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", library.display()));
        return library;
    }
    fs::write(&file, source).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    let headers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../include/mpr");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-fshort-wchar", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"])
        .arg("-I")
        .arg(headers)
        .arg("-o")
        .arg(&library)
        .arg(&file)
        .args(flags)
        .output();
    match compiled {
        Ok(output) if output.status.success() => {
            sources().insert(key, fs::read(&library).expect("it was just written").into());
            library
        }
        Ok(output) => panic!("cc refuses {name}.c:\n{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            panic!("this test needs a C compiler, and there is no cc; install the Debian package gcc")
        }
        Err(error) => panic!("cannot run cc: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_becomes_a_shared_object() {
        let directory = tempfile::tempdir().unwrap();
        let library = compile_c(directory.path(), "answer", "unsigned answer(void) { return L'A'; }", &[]);
        let bytes = fs::read(library).unwrap();
        assert!(bytes.starts_with(b"\x7FELF"));
        assert!(bytes.windows(6).any(|window| window == b"answer"), "the function is exported by its name");
    }

    #[test]
    #[should_panic(expected = "nonsense")]
    fn a_wrong_source_is_refused_with_the_words_of_the_compiler() {
        let directory = tempfile::tempdir().unwrap();
        _ = compile_c(directory.path(), "wrong", "int f(void) { return nonsense; }", &[]);
    }
}
