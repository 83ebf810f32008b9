//! The C headers say what the Rust types say: structures, constants, and which functions there are.

use mpr_abi as abi;
use mpr_capi::exports;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::mem::{offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../include/mpr")
}

fn header(name: &str) -> String {
    let file = include().join(name);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Checks that the compiler takes `source`, with every warning an error.
#[track_caller]
fn check(compiler: &str, options: &[&str], source: &str) {
    let (language, package) = if compiler == "g++" { ("c++", "g++") } else { ("c", "gcc") };
    let checked = Command::new(compiler)
        .args(["-fsyntax-only", "-Wall", "-Wextra", "-pedantic", "-Werror", "-I"])
        .arg(include())
        .args(options)
        .args(["-x", language, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            child.stdin.take().expect("it is piped").write_all(source.as_bytes())?;
            child.wait_with_output()
        });
    match checked {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("{compiler} {options:?}:\n{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("this test needs {compiler}; install the Debian package {package}")
        }
        Err(error) => panic!("{compiler}: {error}"),
    }
}

/// The languages and settings sources are written for.
const DIALECTS: &[(&str, &[&str])] = &[
    ("gcc", &["-std=c11", "-fshort-wchar"]),
    ("gcc", &["-std=c11", "-fshort-wchar", "-DUNICODE"]),
    ("gcc", &["-std=c11", "-DUNICODE"]),
    ("g++", &["-std=c++17", "-fshort-wchar"]),
    ("g++", &["-std=c++17", "-fshort-wchar", "-DUNICODE"]),
    ("g++", &["-std=c++17", "-DUNICODE"]),
];

/// `ASSERT` for both languages, and the headers in the order in which sources include them.
const PRELUDE: &str = "#include <windows.h>\n#include <winnetwk.h>\n#include <npapi.h>\n\
    #ifdef __cplusplus\n#define ASSERT(what) static_assert(what, #what)\n\
    #else\n#define ASSERT(what) _Static_assert(what, #what)\n#endif\n";

/// Assertions about a structure: its size, and offset and size of each field.
macro_rules! layout {
    ($text:expr; $($name:ident { $($field:ident),* $(,)? })*) => {$(
        _ = writeln!($text, "ASSERT(sizeof({0}) == {1});", stringify!($name), size_of::<abi::$name>());
        $(
            _ = writeln!($text, "ASSERT(offsetof({0}, {1}) == {2});", stringify!($name),
                stringify!($field), offset_of!(abi::$name, $field));
            _ = writeln!($text, "ASSERT(sizeof((({0} *)0)->{1}) == {2});", stringify!($name),
                stringify!($field), field_size(|value: &abi::$name| std::mem::size_of_val(&value.$field)));
        )*
        // A field that is only in the structure of Rust does not compile here.
        const _: fn(abi::$name) = |abi::$name { $($field: _),* }| {};
    )*};
}

/// Size of what `of` looks at.
fn field_size<T>(of: impl FnOnce(&T) -> usize) -> usize {
    let place = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: the structures of the interface are numbers and pointers, which may all be zero.
    of(unsafe { place.assume_init_ref() })
}

fn layouts() -> String {
    let mut text = String::new();
    layout! { text;
        NETRESOURCEA { dwScope, dwType, dwDisplayType, dwUsage, lpLocalName, lpRemoteName, lpComment, lpProvider }
        NETRESOURCEW { dwScope, dwType, dwDisplayType, dwUsage, lpLocalName, lpRemoteName, lpComment, lpProvider }
        NETINFOSTRUCT {
            cbStructure, dwProviderVersion, dwStatus, dwCharacteristics, dwHandle, wNetType, dwPrinters, dwDrives,
        }
        NETCONNECTINFOSTRUCT { cbStructure, dwFlags, dwSpeed, dwDelay, dwOptDataSize }
        UNIVERSAL_NAME_INFOA { lpUniversalName }
        UNIVERSAL_NAME_INFOW { lpUniversalName }
        REMOTE_NAME_INFOA { lpUniversalName, lpConnectionName, lpRemainingPath }
        REMOTE_NAME_INFOW { lpUniversalName, lpConnectionName, lpRemainingPath }
        CONNECTDLGSTRUCTA { cbStructure, hwndOwner, lpConnRes, dwFlags, dwDevNum }
        CONNECTDLGSTRUCTW { cbStructure, hwndOwner, lpConnRes, dwFlags, dwDevNum }
        DISCDLGSTRUCTA { cbStructure, hwndOwner, lpLocalName, lpRemoteName, dwFlags }
        DISCDLGSTRUCTW { cbStructure, hwndOwner, lpLocalName, lpRemoteName, dwFlags }
        NOTIFYINFO { dwNotifyStatus, dwOperationStatus, lpContext }
        NOTIFYADD { hwndOwner, NetResource, dwAddFlags }
        NOTIFYCANCEL { lpName, lpProvider, dwFlags, fForce }
        LUID { LowPart, HighPart }
    }
    text
}

/// Constants of `mpr-abi` that are the router's own.
const OURS: &[&str] = &["CONNECT_ADD_MASK", "MAX_REMOTE_NAME"];

/// Names and values of the constants of `mpr-abi`, as its source has them.
fn constants() -> Vec<(String, u32)> {
    let source = include_str!("../../mpr-abi/src/constants.rs");
    let notification = include_str!("../../mpr-abi/src/notification.rs");
    let found: Vec<_> = source
        .lines()
        .chain(notification.lines())
        .filter_map(|line| {
            let (name, value) = line.strip_prefix("pub const ")?.split_once(": DWORD = ")?;
            let digits = value.trim_end_matches(';').replace('_', "");
            let value = match digits.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => digits.parse(),
            };
            Some((name.to_owned(), value.unwrap_or_else(|error| panic!("{line}: {error}"))))
        })
        .filter(|(name, _)| !OURS.contains(&&**name))
        .collect();
    assert!(found.len() > 130, "the source has another shape than this test reads: {found:?}");
    found
}

#[test]
fn structures_have_the_same_size_and_offsets_in_c_and_in_rust() {
    for (compiler, options) in DIALECTS {
        check(compiler, options, &format!("{PRELUDE}{}", layouts()));
    }
}

#[test]
fn constants_have_the_same_values_in_c_and_in_rust() {
    let mut source = PRELUDE.to_owned();
    for (name, value) in constants() {
        _ = writeln!(source, "ASSERT({name} == {value}u);");
    }
    for known in abi::STATUSES {
        for name in [Some(known.error_name), known.wn_name].into_iter().flatten() {
            _ = writeln!(source, "ASSERT({name} == {});", known.status.0);
        }
    }
    source.push_str(
        "ASSERT(ERROR_SUCCESS == 0);\nASSERT(WN_NO_ERROR == 0);\nASSERT(WN_WINDOWS_ERROR == 59);\n",
    );
    for (compiler, options) in DIALECTS {
        check(compiler, options, &source);
    }
}

#[test]
fn a_wide_string_has_units_of_sixteen_bits_however_it_is_compiled() {
    let source =
        format!("{PRELUDE}ASSERT(sizeof(WCHAR) == 2);\nextern LPCTSTR text;\nLPCTSTR text = TEXT(\"x\");\n");
    for (compiler, options) in DIALECTS {
        check(compiler, options, &source);
    }
}

#[test]
fn each_header_can_stand_alone() {
    for name in ["windows.h", "winnetwk.h", "npapi.h", "wnnc.h"] {
        for (compiler, options) in DIALECTS {
            check(compiler, options, &format!("#include <{name}>\nextern int here;\nint here = 1;\n"));
        }
    }
}

#[test]
fn every_plug_in_function_is_declared_with_its_type() {
    let npapi = header("npapi.h");
    let types = include_str!("../../mpr-abi/src/provider.rs").lines();
    let names: Vec<&str> = types
        .chain(include_str!("../../mpr-abi/src/notification.rs").lines())
        .filter_map(|line| line.strip_prefix("pub type PF_")?.split_once(' ').map(|(name, _)| name))
        .filter(|&name| name != "WNetSetLastErrorW")
        .collect();
    assert!(names.len() > 25, "{names:?}");
    let mut source = PRELUDE.to_owned();
    for name in names {
        assert!(npapi.contains(&format!("DWORD APIENTRY {name}(")), "{name} is not declared");
        _ = writeln!(source, "extern PF_{name} a_{name};\nPF_{name} a_{name} = {name};");
    }
    for (compiler, options) in DIALECTS {
        check(compiler, options, &source);
    }
}

/// Functions whose parameters are not public: they answer 50, and nobody can call them meaningfully.
const UNDECLARED: &[&str] = &[
    "MultinetGetErrorText",
    "WNetConnectionDialog2",
    "WNetDisconnectDialog2",
    "WNetGetConnection2",
    "WNetGetConnection3",
    "WNetGetHomeDirectory",
    "WNetGetSearchDialog",
    "WNetRestoreAllConnections",
    "WNetRestoreConnection2",
    "WNetSupportGlobalEnum",
];

#[test]
fn the_headers_declare_what_is_exported_and_nothing_else() {
    let text = header("winnetwk.h") + &header("npapi.h");
    let mut declared: Vec<&str> = text
        .split("WINAPI ")
        .skip(1)
        .chain(text.split("void APIENTRY ").skip(1))
        .filter_map(|behind| behind.split_once('(').map(|(name, _)| name))
        .collect();
    // The unsuffixed names of functions with two forms are macros.
    declared.extend(text.lines().filter_map(|line| {
        let (name, other) = line.strip_prefix("#define ")?.split_once(' ')?;
        (other == format!("{name}W")).then_some(name)
    }));
    declared.sort_unstable();
    let expected: Vec<&str> = exports::names()
        .into_iter()
        .filter(|name| !UNDECLARED.iter().any(|known| name.trim_end_matches(['A', 'W']) == *known))
        // Made for runtimes that look for no suffix; in C the name has one.
        .filter(|name| !["WNetRestoreConnection", "WNetRestoreSingleConnection"].contains(name))
        .collect();
    assert_eq!(declared, expected);
}
