//! Every argument of every function, wrong in every way it can be: answered with a code, never followed.
//!
//! The table below has a line for each argument that is an address, and for each string in a structure. What
//! stands in its columns is the answer when that argument alone is wrong.

mod common;

use common::*;
use mpr_abi::*;
use std::any::Any;
use std::collections::BTreeSet;
use std::ptr::{null_mut, without_provenance_mut};

/// What an argument is when nothing is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// A number.
    Number(usize),
    /// A string.
    Text(&'static str),
    /// A string that may be missing, and is.
    NoText,
    /// A resource with these names: local, remote, provider.
    Names(Option<&'static str>, &'static str, Option<&'static str>),
    /// A place for a string or structures.
    Place,
    /// A place for a number, which is this before.
    Cell(u32),
    /// A structure that begins with its size.
    Sized(u32),
    /// A place for an address.
    Pointer,
    /// A request of `WNetConnectionDialog1`.
    ConnectDialog,
    /// A request of `WNetDisconnectDialog1`.
    DisconnectDialog,
    /// An enumeration.
    Handle,
}
use Kind::*;

const NAME: &str = r"\\bad\x";
const ADDED: Kind = Names(None, NAME, None);

/// Every function with an address among its arguments, and what it comes to when nothing is wrong.
const FUNCTIONS: &[(&str, &[Kind], u32)] = &[
    ("WNetAddConnection", &[Text(NAME), NoText, NoText], 0),
    ("WNetAddConnection2", &[ADDED, NoText, NoText, Number(0)], 0),
    ("WNetAddConnection3", &[Number(0), ADDED, NoText, NoText, Number(0)], 0),
    ("WNetAddConnection4", &[Number(0), ADDED, Place, Number(8), Number(0), Place, Number(8)], 0),
    ("WNetUseConnection", &[Number(0), ADDED, NoText, NoText, Number(0), Place, Cell(64), Cell(0)], 0),
    (
        "WNetUseConnection4",
        &[Number(0), ADDED, Place, Number(8), Number(0), Place, Number(8), Place, Cell(64), Cell(0)],
        0,
    ),
    ("WNetCancelConnection", &[Text(r"\\bad\none"), Number(0)], 2250),
    ("WNetCancelConnection2", &[Text(r"\\bad\none"), Number(0), Number(0)], 2250),
    ("WNetGetConnection", &[Text("P:"), Place, Cell(64)], 0),
    ("WNetGetUser", &[Text(NAME), Place, Cell(64)], 0),
    ("WNetGetUniversalName", &[Text(r"P:\a"), Number(1), Place, Cell(512)], 0),
    ("MultinetGetConnectionPerformance", &[Names(Some("P:"), NAME, None), Sized(20)], 0),
    (
        "WNetOpenEnum",
        &[Number(2), Number(0), Number(0), Names(None, r"\\many-1", Some(PROVIDER)), Pointer],
        0,
    ),
    ("WNetEnumResource", &[Handle, Cell(1), Place, Cell(512)], 0),
    ("WNetCloseEnum", &[Handle], 0),
    ("WNetGetResourceInformation", &[ADDED, Place, Cell(512), Pointer], 0),
    ("WNetGetResourceParent", &[Names(None, NAME, Some(PROVIDER)), Place, Cell(512)], 0),
    ("WNetGetProviderName", &[Number(0x20000), Place, Cell(64)], 0),
    ("WNetGetProviderType", &[Text(PROVIDER), Cell(0)], 0),
    ("WNetGetNetworkInformation", &[Text(PROVIDER), Sized(40)], 0),
    ("WNetFormatNetworkName", &[Text(PROVIDER), Text(NAME), Place, Cell(64), Number(0), Number(80)], 0),
    ("WNetGetLastError", &[Cell(0), Place, Number(64), Place, Number(64)], 0),
    ("WNetConnectionDialog1", &[ConnectDialog], 50),
    ("WNetDisconnectDialog1", &[DisconnectDialog], 2250),
    ("WNetSetConnection", &[Text("P:"), Number(1), Cell(0)], 0),
    ("WNetRestoreConnection", &[Number(0), Text("O:")], 2250),
    ("WNetRestoreSingleConnection", &[Number(0), Text("O:"), Number(0)], 2250),
    ("WNetGetDirectoryType", &[Text(r"P:\a"), Cell(0), Number(0)], 0),
    ("WNetDirectoryNotify", &[Number(0), Text(r"P:\a"), Number(1)], 0),
    ("WNetGetPropertyText", &[Number(1), Number(0), Text(r"P:\a"), Place, Number(64), Number(2)], 0),
    ("WNetPropertyDialog", &[Number(0), Number(1), Number(0), Text(r"P:\a"), Number(2)], 0),
];

/// Answers to one wrong argument: `argument null empty long undecodable`. `·` where an argument cannot be wrong
/// that way. A string in a structure is named behind a dot. What cannot be decoded is UTF-8 that is none; UTF-16
/// that is none is a name like any other, as on Windows.
const ANSWERS: &[(&str, &str)] = &[
    (
        "WNetAddConnection",
        "
        0           67    67   67   87
        1            0     0   87   87
        2            0     0 1200   87",
    ),
    (
        "WNetAddConnection2",
        "
        0          487     ·    ·    ·
        0.remote    67    67   67   87
        0.local      0     0 1200   87
        0.provider   0     0 1204   87
        1            0     0   87   87
        2            0     0   87   87",
    ),
    (
        "WNetAddConnection3",
        "
        1          487     ·    ·    ·
        1.remote    67    67   67   87
        1.local      0     0 1200   87
        1.provider   0     0 1204   87
        2            0     0   87   87
        3            0     0   87   87",
    ),
    (
        "WNetAddConnection4",
        "
        1          487     ·    ·    ·
        1.remote    67    67   67   87
        1.local      0     0 1200   87
        1.provider   0     0 1204   87
        2           87     ·    ·    ·
        5           87     ·    ·    ·",
    ),
    (
        "WNetUseConnection",
        "
        1          487     ·    ·    ·
        1.remote    87    67   67   87
        1.local      0     0 1200   87
        1.provider   0     0 1204   87
        2            0     0   87   87
        3            0     0   87   87
        5            0     ·    ·    ·
        6           87     ·    ·    ·
        7            0     ·    ·    ·",
    ),
    (
        "WNetUseConnection4",
        "
        1          487     ·    ·    ·
        1.remote    87    67   67   87
        1.local      0     0 1200   87
        1.provider   0     0 1204   87
        2           87     ·    ·    ·
        5           87     ·    ·    ·
        7            0     ·    ·    ·
        8           87     ·    ·    ·
        9            0     ·    ·    ·",
    ),
    (
        "WNetCancelConnection",
        "
        0          487    87   87   87",
    ),
    (
        "WNetCancelConnection2",
        "
        0          487    87   87   87",
    ),
    (
        "WNetGetConnection",
        "
        0          487  1200 1200   87
        1          487     ·    ·    ·
        2          487     ·    ·    ·",
    ),
    (
        "WNetGetUser",
        "
        0            0     0   87   87
        1          487     ·    ·    ·
        2          487     ·    ·    ·",
    ),
    (
        "WNetGetUniversalName",
        "
        0          487  1200   87   87
        2          487     ·    ·    ·
        3          487     ·    ·    ·",
    ),
    (
        "MultinetGetConnectionPerformance",
        "
        0          487     ·    ·    ·
        0.remote     0     0   87   87
        0.local      0     0 1200   87
        0.provider   0     0   87   87
        1          487     ·    ·    ·",
    ),
    (
        "WNetOpenEnum",
        "
        3            0     ·    ·    ·
        3.remote     0     0   87   87
        3.local      0     0   87   87
        3.provider   0     0   87   87
        4          487     ·    ·    ·",
    ),
    (
        "WNetEnumResource",
        "
        0            6     ·    ·    ·
        1          487     ·    ·    ·
        2          487     ·    ·    ·
        3          487     ·    ·    ·",
    ),
    (
        "WNetCloseEnum",
        "
        0            6     ·    ·    ·",
    ),
    (
        "WNetGetResourceInformation",
        "
        0          487     ·    ·    ·
        0.remote    67    67   87   87
        0.local      0     0    0    0
        0.provider   0     0   87   87
        1          487     ·    ·    ·
        2          487     ·    ·    ·
        3          487     ·    ·    ·",
    ),
    (
        "WNetGetResourceParent",
        "
        0          487     ·    ·    ·
        0.remote    67    67   87   87
        0.local      0     0    0    0
        0.provider 1204 1204   87   87
        1          487     ·    ·    ·
        2          487     ·    ·    ·",
    ),
    (
        "WNetGetProviderName",
        "
        1          487     ·    ·    ·
        2          487     ·    ·    ·",
    ),
    (
        "WNetGetProviderType",
        "
        0          487  1204   87   87
        1          487     ·    ·    ·",
    ),
    (
        "WNetGetNetworkInformation",
        "
        0          487  1204   87   87
        1          487     ·    ·    ·",
    ),
    (
        "WNetFormatNetworkName",
        "
        0          487  1204   87   87
        1          487     0   87   87
        2          487     ·    ·    ·
        3          487     ·    ·    ·",
    ),
    (
        "WNetGetLastError",
        "
        0          487     ·    ·    ·
        1          487     ·    ·    ·
        3          487     ·    ·    ·",
    ),
    (
        "WNetConnectionDialog1",
        "
        0          487     ·    ·    ·
        0.resource 487     ·    ·    ·
        0.remote    50    50   87   87
        0.local     50    50   87   87
        0.provider  50    50   87   87",
    ),
    (
        "WNetDisconnectDialog1",
        "
        0          487     ·    ·    ·
        0.remote  2250  2250   87   87
        0.local   2250  2250   87   87",
    ),
    (
        "WNetSetConnection",
        "
        0          487  1200 1200   87
        2          487     ·    ·    ·",
    ),
    (
        "WNetRestoreConnection",
        "
        1            0     0 1200   87",
    ),
    (
        "WNetRestoreSingleConnection",
        "
        1            0     0 1200   87",
    ),
    (
        "WNetGetDirectoryType",
        "
        0          487  1200   87   87
        1          487     ·    ·    ·",
    ),
    (
        "WNetDirectoryNotify",
        "
        1          487  1200   87   87",
    ),
    (
        "WNetGetPropertyText",
        "
        2          487  1200   87   87
        3          487     ·    ·    ·",
    ),
    (
        "WNetPropertyDialog",
        "
        3          487  1200   87   87",
    ),
];

/// In which way an argument is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Null,
    Empty,
    /// 64 KiB units.
    Long,
    /// Not in the encoding.
    Undecodable,
}

const WRONGS: [Wrong; 4] = [Wrong::Null, Wrong::Empty, Wrong::Long, Wrong::Undecodable];

impl Wrong {
    /// A string that is wrong this way.
    fn text(self, form: Form) -> Option<Vec<u8>> {
        match self {
            Wrong::Null => None,
            Wrong::Empty => Some(form.text("")),
            Wrong::Long => Some(form.text(&"x".repeat(0x10000))),
            Wrong::Undecodable if form.is_wide() => {
                // A letter first, so that it looks like what it is; then half a pair.
                Some([0x0078u16, 0xD800, 0x0078, 0].into_iter().flat_map(u16::to_ne_bytes).collect())
            }
            Wrong::Undecodable => Some(b"xx\xFFxx\0".to_vec()),
        }
    }
}

/// The arguments of one call, and what they point to.
#[derive(Default)]
struct Arguments {
    values: Vec<usize>,
    /// Stays where it is until the call is over.
    memory: Vec<Box<dyn Any>>,
    handles: Vec<usize>,
}

impl Arguments {
    /// Good arguments, but for one: `wrong` says which, and how.
    fn new(form: Form, kinds: &[Kind], wrong: Option<(&str, Wrong)>) -> Self {
        let mut arguments = Arguments::default();
        for (at, &kind) in kinds.iter().enumerate() {
            let of_this = wrong.and_then(|(which, how)| {
                let (index, field) = which.split_once('.').unwrap_or((which, ""));
                (index == at.to_string()).then_some((field, how))
            });
            let value = arguments.value(form, kind, of_this);
            arguments.values.push(value);
        }
        arguments
    }

    fn value(&mut self, form: Form, kind: Kind, wrong: Option<(&str, Wrong)>) -> usize {
        if let Some(("", how)) = wrong {
            return match how.text(form) {
                Some(text) => self.keep(text),
                None => 0,
            };
        }
        match kind {
            Number(number) => number,
            NoText => 0,
            Text(text) => self.keep(form.text(text)),
            Names(local, remote, provider) => self.resource(form, [local, Some(remote), provider], wrong),
            Place => self.keep_value([0x0101_0101_0101_0101u64; 256]),
            Cell(number) => self.keep_value(number),
            Sized(size) => self.keep_value([u64::from(size); 64]),
            Pointer => self.keep_value(0usize),
            ConnectDialog => {
                let resource = match wrong {
                    Some(("resource", _)) => 0,
                    _ => self.resource(form, [None, Some(NAME), None], wrong),
                };
                self.keep_value(CONNECTDLGSTRUCTW {
                    cbStructure: size_of::<CONNECTDLGSTRUCTW>() as u32,
                    hwndOwner: null_mut(),
                    lpConnRes: resource as *mut NETRESOURCEW,
                    dwFlags: 0,
                    dwDevNum: 0,
                })
            }
            DisconnectDialog => {
                // With either name missing, the other one says what is meant.
                let names = [("local", "O:"), ("remote", r"\\bad\none")];
                let [local, remote] = names.map(|(field, text)| match wrong {
                    Some((wrong_field, how)) if wrong_field == field => {
                        how.text(form).map_or(0, |text| self.keep(text))
                    }
                    _ => self.keep(form.text(text)),
                });
                self.keep_value(DISCDLGSTRUCTW {
                    cbStructure: size_of::<DISCDLGSTRUCTW>() as u32,
                    hwndOwner: null_mut(),
                    lpLocalName: local as *mut u16,
                    lpRemoteName: remote as *mut u16,
                    dwFlags: 0,
                })
            }
            Handle => {
                let mut handle = 0usize;
                let open = Arguments::new(
                    Form::Wide,
                    &[Number(2), Number(0), Number(0), Names(None, r"\\many-1", Some(PROVIDER))],
                    None,
                );
                let values = [&open.values[..], &[(&raw mut handle) as usize]].concat();
                assert_eq!(Form::Wide.call("WNetOpenEnum", &values), 0);
                self.handles.push(handle);
                handle
            }
        }
    }

    fn resource(
        &mut self,
        form: Form,
        [local, remote, provider]: [Option<&str>; 3],
        wrong: Option<(&str, Wrong)>,
    ) -> usize {
        let fields = [("local", local), ("remote", remote), ("provider", provider)];
        let [local, remote, provider] = fields.map(|(field, text)| match wrong {
            Some((wrong_field, how)) if wrong_field == field => {
                how.text(form).map_or(0, |text| self.keep(text))
            }
            _ => text.map_or(0, |text| self.keep(form.text(text))),
        });
        self.keep_value(NETRESOURCEW {
            dwScope: 0,
            dwType: RESOURCETYPE_DISK,
            dwDisplayType: 0,
            dwUsage: 0,
            lpLocalName: local as *mut u16,
            lpRemoteName: remote as *mut u16,
            lpComment: without_provenance_mut(1),
            lpProvider: provider as *mut u16,
        })
    }

    fn keep(&mut self, text: Vec<u8>) -> usize {
        let at = text.as_ptr() as usize;
        self.memory.push(Box::new(text));
        at
    }

    fn keep_value<T: 'static>(&mut self, value: T) -> usize {
        let mut value = Box::new(value);
        let at = (&raw mut *value) as usize;
        self.memory.push(value);
        at
    }
}

impl Drop for Arguments {
    fn drop(&mut self) {
        for handle in self.handles.drain(..) {
            // Closed by the test, or to be closed now.
            call(function("WNetCloseEnum").expect("exported"), &[handle]);
        }
    }
}

fn prepare() {
    serve();
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| connect("P:", r"\\bad\drive"));
}

/// Calls a function, which has one form only if its name is an exported one.
#[track_caller]
fn run(form: Form, name: &str, arguments: &Arguments) -> Option<u32> {
    if name == "WNetCloseEnum" {
        return Some(form.call_plain(name, &arguments.values));
    }
    form.function(name).map(|_| form.call(name, &arguments.values))
}

#[test]
fn nothing_wrong_is_answered_as_it_should_be() {
    prepare();
    for &(name, kinds, expected) in FUNCTIONS {
        for form in FORMS {
            let arguments = Arguments::new(form, kinds, None);
            let status = run(form, name, &arguments);
            assert!(status.is_none_or(|status| status == expected), "{name} {form:?}: {status:?}");
        }
    }
}

#[test]
fn every_argument_wrong_in_every_way_gets_its_answer() {
    prepare();
    let mut failures = Vec::new();
    for &(name, kinds, good) in FUNCTIONS {
        let answers = ANSWERS.iter().find(|(of, _)| *of == name).map(|(_, lines)| *lines);
        for line in answers.unwrap_or_else(|| panic!("no answers of {name}")).trim().lines() {
            let mut words = line.split_whitespace();
            let which = words.next().expect("the argument comes first");
            let columns: Vec<&str> = words.collect();
            assert_eq!(columns.len(), 4, "{name}: {line}");
            for (wrong, expected) in WRONGS.into_iter().zip(columns) {
                if expected == "·" {
                    continue;
                }
                let expected: u32 = expected.parse().expect("a status");
                for form in FORMS {
                    let arguments = Arguments::new(form, kinds, Some((which, wrong)));
                    let Some(status) = run(form, name, &arguments) else { continue };
                    // Half a pair is a name nobody knows: whatever becomes of it, it is not followed.
                    if wrong == Wrong::Undecodable && form.is_wide() {
                        continue;
                    }
                    if status != expected {
                        failures.push(format!(
                            "{name} {which} {wrong:?} {form:?}: {status}, not {expected} (good: {good})"
                        ));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_table_leaves_no_address_out() {
    for &(name, kinds, _) in FUNCTIONS {
        let lines = ANSWERS.iter().find(|(of, _)| *of == name).expect("it has answers").1;
        let told: BTreeSet<&str> =
            lines.trim().lines().filter_map(|line| line.split_whitespace().next()).collect();
        for (at, kind) in kinds.iter().enumerate() {
            let fields: &[&str] = match kind {
                Number(_) => continue,
                Names(..) => &["", ".remote", ".local", ".provider"],
                ConnectDialog => &["", ".resource", ".remote", ".local", ".provider"],
                DisconnectDialog => &["", ".remote", ".local"],
                _ => &[""],
            };
            for field in fields {
                assert!(told.contains(&*format!("{at}{field}")), "{name}: nothing about {at}{field}");
            }
        }
    }
    // Functions without addresses, those that are not supported, and those tested elsewhere.
    let elsewhere = [
        "MultinetGetErrorText",
        "WNetClearConnections",
        "WNetConnectionDialog",
        "WNetConnectionDialog2",
        "WNetDisconnectDialog",
        "WNetDisconnectDialog2",
        "WNetFMXEditPerm",
        "WNetFMXGetPermCaps",
        "WNetFMXGetPermHelp",
        "WNetGetConnection2",
        "WNetGetConnection3",
        "WNetGetHomeDirectory",
        "WNetGetSearchDialog",
        "WNetLogonNotify",
        "WNetPasswordChangeNotify",
        "WNetRestoreAllConnections",
        "WNetRestoreConnection2",
        "WNetSetLastError",
        "WNetSupportGlobalEnum",
    ];
    for name in mpr_capi::exports::names() {
        let known = |stem: &str| FUNCTIONS.iter().any(|(of, ..)| *of == stem) || elsewhere.contains(&stem);
        assert!(known(name) || known(&name[..name.len() - 1]), "{name} is not tested with bad input");
    }
}

#[test]
fn numbers_out_of_range_are_bad_values() {
    prepare();
    for form in FORMS {
        let add = |kind: u32, flags: usize| {
            let resource = common::Resource::new(form, None, Some(r"\\bad\y")).kind(kind);
            form.call("WNetAddConnection2", &[resource.address(), 0, 0, flags])
        };
        assert_eq!(add(3, 0), 87);
        assert_eq!(add(RESOURCETYPE_UNKNOWN, 0), 87);
        assert_eq!(add(1, 0x0100_0000), 87);
        assert_eq!(add(1, 0x0002_0000), 87);
        let name = form.text(r"\\bad\y");
        let cancel = |flags: usize| form.call("WNetCancelConnection2", &[name.as_ptr() as usize, flags, 0]);
        assert_eq!(cancel(0x8000_0000), 87);
        let buffer = [1u8; 8];
        let resource = common::Resource::new(form, None, Some(r"\\bad\y"));
        // Nobody has a gigabyte of credentials.
        let arguments = [0, resource.address(), buffer.as_ptr() as usize, 1 << 30, 0, 0, 0];
        assert_eq!(form.call("WNetAddConnection4", &arguments), 87);
    }
}

/// Memory that ends where the next byte would be: reading on is fatal.
struct Edge {
    base: *mut libc::c_void,
    size: usize,
}

impl Edge {
    fn new() -> Self {
        let size = 1 << 18;
        // SAFETY: a mapping of our own, the last page of which nobody may touch.
        unsafe {
            let base = libc::mmap(
                null_mut(),
                size + 4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(base, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(base.byte_add(size), 4096, libc::PROT_NONE), 0);
            Edge { base, size }
        }
    }

    /// Puts `bytes` so that they end at the edge, and says where they begin.
    fn put(&self, bytes: &[u8]) -> usize {
        // SAFETY: the bytes are fewer than the mapping has.
        unsafe {
            let at = self.base.byte_add(self.size - bytes.len());
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), at.cast(), bytes.len());
            at as usize
        }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing points there any more.
        unsafe { libc::munmap(self.base, self.size + 4096) };
    }
}

#[test]
fn nothing_is_read_behind_the_end_of_a_string() {
    prepare();
    let edge = Edge::new();
    for form in FORMS {
        for text in ["", "Q:", "Q", NAME, r"\\bad\ä€𝄞", "/no/such/directory"] {
            // One character without suffix looks like UTF-16: not for such functions, as is documented.
            if text.len() == 1 && form == Form::UnsuffixedNarrow {
                continue;
            }
            let at = edge.put(&form.text(text));
            form.call("WNetCancelConnection2", &[at, 0, 0]);
            form.call("WNetGetConnection", &[at, 0, 0]);
            form.call("WNetAddConnection", &[at, 0, 0]);
            form.call("WNetAddConnection", &[0, at, at]);
            let set = form.function("WNetSetLastError").expect("exported");
            call(set, &[1, at, at]);
        }
        if !form.is_wide() {
            // Sequences that break off at the terminator.
            for broken in [&b"xx\xC3\0"[..], b"xx\xE2\x82\0", b"xx\xF0\x9D\x84\0"] {
                assert_eq!(form.call("WNetCancelConnection2", &[edge.put(broken), 0, 0]), 87);
            }
        }
    }
}

#[test]
fn a_string_without_an_end_is_read_no_further_than_the_longest_name() {
    prepare();
    let edge = Edge::new();
    for form in FORMS {
        let endless = |units: usize| form.text("x")[..form.unit()].repeat(units);
        // A unit more than the longest string there is.
        let at = edge.put(&endless(32_768));
        assert_eq!(form.call("WNetCancelConnection2", &[at, 0, 0]), 87);
        assert_eq!(form.call("WNetGetUser", &[at, 0, (&raw mut *Box::new(0u32)) as usize]), 87);
        let mut resource = common::Resource::new(form, None, Some(NAME));
        resource.raw.lpRemoteName = edge.put(&endless(MAX_REMOTE_NAME + 2)) as *mut u16;
        assert_eq!(form.call("WNetAddConnection2", &[resource.address()]), 67);
        let mut resource = common::Resource::new(form, None, Some(NAME));
        resource.raw.lpLocalName = edge.put(&endless(4097)) as *mut u16;
        assert_eq!(form.call("WNetAddConnection2", &[resource.address()]), 1200);
    }
}

#[test]
fn structures_and_strings_may_stand_at_odd_addresses() {
    prepare();
    for form in FORMS {
        let mut bytes = vec![0u8];
        bytes.extend(form.text("P:"));
        let mut name = common::Buffer::new(64, 32);
        let arguments = [bytes.as_ptr() as usize + 1, name.address() + 1, name.size()];
        assert_eq!(form.call("WNetGetConnection", &arguments), 0);
        // SAFETY: the function wrote a string there.
        assert_eq!(unsafe { form.read(name.address() + 1) }, r"\\bad\drive");
        let resource = common::Resource::new(form, None, Some(r"\\bad\odd"));
        let mut packed = [0u8; size_of::<NETRESOURCEW>() + 1];
        // SAFETY: both places have that many bytes.
        unsafe {
            std::ptr::copy_nonoverlapping(
                resource.address() as *const u8,
                packed.as_mut_ptr().add(1),
                size_of::<NETRESOURCEW>(),
            );
        }
        assert_eq!(form.call("WNetAddConnection2", &[packed.as_ptr() as usize + 1]), 0);
        disconnect(r"\\bad\odd");
    }
}
