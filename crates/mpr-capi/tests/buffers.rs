//! Buffers, sizes and handles at the C face: the scenarios of `spec/wnet.md` §17 that are about them, in every
//! form of each function. Each test has drives of its own, since all connect through one router.

mod common;

use common::*;
use mpr_abi::*;
use std::mem::offset_of;

const REDIRECT: usize = CONNECT_REDIRECT as usize;

/// Calls `WNetUseConnection`; returns status, result flags, and what became of the buffer.
fn use_connection(form: Form, resource: &Resource, flags: usize, name: Option<&mut Buffer>) -> (u32, u32) {
    let mut result = 0xDEAD_BEEFu32;
    let (at, size) = name.map_or((0, 0), |buffer| (buffer.address(), buffer.size()));
    let arguments = [0, resource.address(), 0, 0, flags, at, size, (&raw mut result) as usize];
    (form.call("WNetUseConnection", &arguments), result)
}

#[test]
fn w5_a_device_that_cannot_be_reported_is_not_chosen() {
    serve();
    for form in FORMS {
        let resource = Resource::new(form, None, Some(r"\\w5\x"));
        assert_eq!(form.call("WNetAddConnection2", &[resource.address(), 0, 0, REDIRECT]), 487);
        assert_eq!(form.call("WNetAddConnection3", &[0, resource.address(), 0, 0, REDIRECT]), 487);
    }
}

#[test]
fn w25_without_a_place_for_the_name_its_size_does_not_count() {
    serve();
    for form in FORMS {
        let resource = Resource::new(form, Some("D:"), Some(r"\\w25\x"));
        let mut size = 0u32;
        let status =
            form.call("WNetUseConnection", &[0, resource.address(), 0, 0, 0, 0, (&raw mut size) as usize, 0]);
        assert_eq!((status, size), (0, 0));
        assert_eq!(disconnect("D:"), 0);
    }
}

#[test]
fn w26_to_w28_the_device_is_reported_where_it_fits() {
    serve();
    for form in FORMS {
        let resource = Resource::new(form, Some("J:"), Some(r"\\w26\x"));
        let mut none = Buffer::new(8, 0);
        assert_eq!(use_connection(form, &resource, 0, Some(&mut none)), (87, 0xDEAD_BEEF));
        assert_eq!(*none.size, 0);
        let mut short = Buffer::new(8, 1);
        assert_eq!(use_connection(form, &resource, 0, Some(&mut short)), (234, 0xDEAD_BEEF));
        assert_eq!(*short.size, 3);
        let mut ample = Buffer::new(8, 4);
        assert_eq!(use_connection(form, &resource, 0, Some(&mut ample)), (0, CONNECT_LOCALDRIVE));
        assert_eq!((*ample.size, &*ample.text(form)), (4, "J:"));
        assert_eq!(disconnect("J:"), 0);
    }
}

#[test]
fn w26_a_place_for_the_name_needs_a_size() {
    serve();
    for form in FORMS {
        let resource = Resource::new(form, None, Some(r"\\w26\y"));
        let mut name = Buffer::new(64, 64);
        let arguments = [0, resource.address(), 0, 0, 0, name.address(), 0, 0];
        assert_eq!(form.call("WNetUseConnection", &arguments), 87);
    }
}

#[test]
fn w29_without_a_device_the_remote_name_is_reported() {
    serve();
    for form in FORMS {
        let resource = Resource::new(form, None, Some(r"\\w29\ü"));
        let mut name = Buffer::new(128, 64);
        assert_eq!(use_connection(form, &resource, 0, Some(&mut name)), (0, 0));
        assert_eq!((*name.size, &*name.text(form)), (64, r"\\w29\ü"));
        let mut exact = Buffer::new(128, if form.is_wide() { 8 } else { 9 });
        assert_eq!(use_connection(form, &resource, 0, Some(&mut exact)), (0, 0));
        let mut short = Buffer::new(128, *exact.size - 1);
        assert_eq!(use_connection(form, &resource, 0, Some(&mut short)).0, 234);
        assert_eq!(*short.size, *exact.size);
        disconnect(r"\\w29\ü");
    }
}

#[test]
fn w30_and_w31_a_device_can_be_chosen_for_a_known_type_and_with_a_place_to_report_it() {
    serve();
    for form in FORMS {
        let any = Resource::new(form, None, Some(r"\\w30\x")).kind(RESOURCETYPE_ANY);
        assert_eq!(use_connection(form, &any, REDIRECT, Some(&mut Buffer::new(64, 32))).0, 87);
        let disk = Resource::new(form, None, Some(r"\\w31\x"));
        assert_eq!(use_connection(form, &disk, REDIRECT, None).0, 487);
        let printer = Resource::new(form, None, Some(r"\\w31\p")).kind(RESOURCETYPE_PRINT);
        let mut name = Buffer::new(64, 5);
        assert_eq!(use_connection(form, &printer, REDIRECT, Some(&mut name)), (0, CONNECT_LOCALDRIVE));
        let chosen = name.text(form);
        assert!(chosen.starts_with("LPT"), "{chosen}");
        assert_eq!(disconnect(&chosen), 0);
    }
}

#[test]
fn w33_a_use_without_a_remote_name_is_a_bad_value_and_an_add_a_bad_name() {
    serve();
    for form in FORMS {
        let nameless = Resource::new(form, Some("E:"), None);
        assert_eq!(use_connection(form, &nameless, 0, None).0, 87);
        assert_eq!(form.call("WNetAddConnection2", &[nameless.address()]), 67);
    }
}

#[test]
fn w39_the_remote_name_of_a_device_says_how_long_it_is() {
    serve();
    connect("F:", r"\\s\x");
    for form in FORMS {
        let device = form.text("f:");
        let mut name = Buffer::new(64, 3);
        let get = |name: &mut Buffer| {
            form.call("WNetGetConnection", &[device.as_ptr() as usize, name.address(), name.size()])
        };
        assert_eq!((get(&mut name), *name.size), (234, 6));
        assert_eq!((get(&mut name), *name.size), (0, 6));
        assert_eq!(name.text(form), r"\\s\x");
        let mut nowhere = 0u32;
        let arguments = [device.as_ptr() as usize, 0, (&raw mut nowhere) as usize];
        assert_eq!((form.call("WNetGetConnection", &arguments), nowhere), (234, 6));
    }
    disconnect("F:");
}

#[test]
fn w40_a_device_that_is_only_remembered_tells_its_name_nevertheless() {
    serve();
    let form = Form::Wide;
    let resource = Resource::new(form, Some("G:"), Some(r"\\s\gone"));
    assert_eq!(form.call("WNetAddConnection2", &[resource.address(), 0, 0, 1]), 0);
    assert_eq!(form.call("WNetCancelConnection2", &[form.text("G:").as_ptr() as usize, 0, 0]), 0);
    for form in FORMS {
        let device = form.text("G:");
        let mut name = Buffer::new(64, 5);
        let get = |name: &mut Buffer| {
            form.call("WNetGetConnection", &[device.as_ptr() as usize, name.address(), name.size()])
        };
        assert_eq!((get(&mut name), *name.size), (234, 9));
        assert_eq!(get(&mut name), 1201);
        assert_eq!(name.text(form), r"\\s\gone");
    }
    assert_eq!(disconnect("G:"), 0);
}

#[test]
fn w41_and_w42_devices_that_lead_nowhere_and_names_of_no_device() {
    serve();
    for form in FORMS {
        for (name, status) in [("X:", 2250), ("foo", 1200), ("", 1200), ("COM1", 1200)] {
            let mut buffer = Buffer::new(64, 32);
            let text = form.text(name);
            let arguments = [text.as_ptr() as usize, buffer.address(), buffer.size()];
            assert_eq!(form.call("WNetGetConnection", &arguments), status, "{name} {form:?}");
            assert_eq!(*buffer.size, 32);
        }
    }
}

/// Calls `WNetGetUniversalName`.
fn universal_name(form: Form, path: &str, level: u32, buffer: usize, size: usize) -> u32 {
    form.call("WNetGetUniversalName", &[form.text(path).as_ptr() as usize, level as usize, buffer, size])
}

#[test]
fn w43_to_w45_a_universal_name_minds_the_size_of_its_buffer() {
    serve();
    connect("H:", r"\\s\x");
    for form in FORMS {
        let get = |path: &str, level, buffer: &mut Buffer| {
            universal_name(form, path, level, buffer.address(), buffer.size())
        };
        let mut buffer = Buffer::new(1024, 0);
        assert_eq!((get(r"H:\a", 1, &mut buffer), *buffer.size), (87, 0));
        *buffer.size = 1;
        assert_eq!(get(r"H:\a", 1, &mut buffer), 234);
        assert_eq!(*buffer.size as usize, size_of::<usize>() + 8 * form.unit());
        assert_eq!(get(r"H:\a", 1, &mut buffer), 0, "what was said to be needed is enough");
        // SAFETY: the function filled in the address of a string.
        assert_eq!(unsafe { form.read(buffer.pointer(0)) }, r"\\s\x\a");
        *buffer.size = 1024;
        assert_eq!((get(r"H:\a", 2, &mut buffer), *buffer.size), (0, 1024));
        // SAFETY: the function filled in the addresses of three strings.
        let strings = [0, 1, 2].map(|at| unsafe { form.read(buffer.pointer(at)) });
        assert_eq!(strings, [r"\\s\x\a", r"\\s\x", r"\a"]);
        assert_eq!(get("h:", 2, &mut buffer), 0);
        // SAFETY: as above.
        assert_eq!(unsafe { form.read(buffer.pointer(2)) }, "");
        assert_eq!(universal_name(form, r"H:\a", 1, 0, buffer.size()), 487);
    }
    disconnect("H:");
}

#[test]
fn w46_to_w48_a_universal_name_of_a_local_drive_without_a_size_or_of_another_level() {
    serve();
    for form in FORMS {
        let mut buffer = Buffer::new(64, 0);
        assert_eq!(universal_name(form, r"Y:\a", 1, buffer.address(), buffer.size()), 2250);
        assert_eq!(*buffer.size, 0);
        assert_eq!(universal_name(form, r"Y:\a", 1, buffer.address(), 0), 487);
        assert_eq!(universal_name(form, r"Y:\a", 3, buffer.address(), buffer.size()), 124);
        assert_eq!(universal_name(form, r"Yy\a", 1, buffer.address(), buffer.size()), 1200);
        assert_eq!(universal_name(form, r"Y:a", 1, buffer.address(), buffer.size()), 1200);
    }
}

/// Opens an enumeration of `\\many-<count>` and the like.
#[track_caller]
fn open(form: Form, server: &str) -> usize {
    let container = Resource::new(form, None, Some(server)).provider(form, PROVIDER);
    let mut handle = 0usize;
    let arguments = [2, 0, 0, container.address(), (&raw mut handle) as usize];
    assert_eq!(form.call("WNetOpenEnum", &arguments), 0);
    assert_ne!(handle, 0);
    handle
}

/// Calls `WNetEnumResource`; returns status and count.
fn next(form: Form, handle: usize, count: u32, buffer: &mut Buffer) -> (u32, u32) {
    let mut count = count;
    let arguments = [handle, (&raw mut count) as usize, buffer.address(), buffer.size()];
    (form.call("WNetEnumResource", &arguments), count)
}

/// Remote names of the structures at the beginning of a buffer.
fn names(form: Form, buffer: &Buffer, count: u32) -> Vec<String> {
    let field = offset_of!(NETRESOURCEW, lpRemoteName) / size_of::<usize>();
    let words = size_of::<NETRESOURCEW>() / size_of::<usize>();
    (0..count as usize)
        // SAFETY: the function filled in so many structures.
        .map(|at| unsafe { form.read(buffer.pointer(at * words + field)) })
        .collect()
}

#[test]
fn w49_and_w50_an_enumeration_is_opened_for_what_there_is() {
    serve();
    for form in FORMS {
        let container = Resource::new(form, None, Some(r"\\s"));
        let mut handle = 0usize;
        let at = (&raw mut handle) as usize;
        assert_eq!(form.call("WNetOpenEnum", &[1, 0, 0, container.address(), at]), 87);
        assert_eq!(form.call("WNetOpenEnum", &[9, 0, 0, 0, at]), 87);
        assert_eq!(form.call("WNetOpenEnum", &[1, 4, 0, 0, at]), 87);
        assert_eq!(form.call("WNetOpenEnum", &[1, 0, 0, 0, 0]), 487);
        assert_eq!(handle, 0, "nothing was opened");
    }
}

#[test]
fn w51_an_entry_that_does_not_fit_is_not_lost() {
    serve();
    for form in FORMS {
        let handle = open(form, r"\\many-2");
        let mut buffer = Buffer::new(4096, 8);
        assert_eq!(next(form, handle, u32::MAX, &mut buffer), (234, u32::MAX));
        let needed = *buffer.size;
        assert!(needed > size_of::<NETRESOURCEW>() as u32, "{needed}");
        assert_eq!(next(form, handle, u32::MAX, &mut buffer), (0, 1), "room for one is room for one");
        assert_eq!(names(form, &buffer, 1), [r"\\many\übung0"]);
        assert_eq!(*buffer.size, needed);
        *buffer.size = 4096;
        assert_eq!(next(form, handle, u32::MAX, &mut buffer), (0, 1));
        assert_eq!(names(form, &buffer, 1), [r"\\many\übung1"]);
        assert_eq!(form.call_plain("WNetCloseEnum", &[handle]), 0);
    }
}

#[test]
fn w52_behind_the_end_there_is_only_the_end() {
    serve();
    for form in FORMS {
        let handle = open(form, r"\\many-5");
        let mut buffer = Buffer::new(16384, 16384);
        assert_eq!(next(form, handle, 0, &mut buffer).0, 87);
        assert_eq!(next(form, handle, 2, &mut buffer), (0, 2));
        assert_eq!(names(form, &buffer, 2), [r"\\many\übung0", r"\\many\übung1"]);
        assert_eq!(next(form, handle, u32::MAX, &mut buffer), (0, 3));
        assert_eq!(next(form, handle, u32::MAX, &mut buffer).0, 259);
        assert_eq!(next(form, handle, 1, &mut buffer).0, 259);
        assert_eq!(form.call_plain("WNetCloseEnum", &[handle]), 0);
    }
}

#[test]
fn w53_a_handle_is_closed_once() {
    serve();
    let form = Form::Wide;
    let handle = open(form, r"\\many-1");
    assert_eq!(form.call_plain("WNetCloseEnum", &[handle]), 0);
    assert_eq!(form.call_plain("WNetCloseEnum", &[handle]), 6);
    assert_eq!(next(form, handle, 1, &mut Buffer::new(64, 64)).0, 6);
    assert_ne!(open(form, r"\\many-1"), handle, "no handle comes again");
}

#[test]
fn a_handle_that_was_never_given_out_is_no_handle() {
    serve();
    let form = Form::Wide;
    let genuine = open(form, r"\\many-1");
    // Far from what is given out: a neighbour may belong to another test.
    let distant = genuine ^ 0x8000_0000;
    for forged in [0, 1, 4, usize::MAX, genuine + 1, distant, (&raw const genuine) as usize] {
        assert_eq!(form.call_plain("WNetCloseEnum", &[forged]), 6, "{forged:#x}");
        assert_eq!(next(form, forged, 1, &mut Buffer::new(64, 64)).0, 6, "{forged:#x}");
    }
    assert_eq!(form.call_plain("WNetCloseEnum", &[genuine]), 0);
}

#[test]
fn an_error_behind_entries_comes_after_them() {
    serve();
    for form in FORMS {
        let handle = open(form, r"\\error-after-2");
        let mut buffer = Buffer::new(16384, 16384);
        assert_eq!(next(form, handle, u32::MAX, &mut buffer), (0, 2));
        assert_eq!(next(form, handle, u32::MAX, &mut buffer).0, 5);
        assert_eq!(next(form, handle, u32::MAX, &mut buffer).0, 259);
        assert_eq!(form.call_plain("WNetCloseEnum", &[handle]), 0);
    }
}

#[test]
fn an_unsuffixed_enumeration_goes_on_in_the_form_it_was_opened_with() {
    serve();
    for (opened, read) in [(Form::Wide, Form::UnsuffixedWide), (Form::Narrow, Form::UnsuffixedNarrow)] {
        let handle = open(opened, r"\\many-1");
        let mut buffer = Buffer::new(4096, 4096);
        assert_eq!(next(read, handle, 1, &mut buffer), (0, 1));
        assert_eq!(names(opened, &buffer, 1), [r"\\many\übung0"]);
        assert_eq!(read.call_plain("WNetCloseEnum", &[handle]), 0);
    }
}

#[test]
fn many_threads_may_enumerate_each_with_its_handle() {
    serve();
    let form = Form::Wide;
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let handle = open(form, r"\\many-10");
                    let mut buffer = Buffer::new(16384, 16384);
                    let mut total = 0;
                    loop {
                        match next(form, handle, 3, &mut buffer) {
                            (0, count) => total += count,
                            (status, _) => break assert_eq!(status, 259),
                        }
                    }
                    assert_eq!(total, 10);
                    assert_eq!(form.call_plain("WNetCloseEnum", &[handle]), 0);
                }
            });
        }
    });
}

#[test]
fn one_handle_serves_one_call_at_a_time_and_none_is_lost() {
    serve();
    let form = Form::Wide;
    let handle = open(form, r"\\many-400");
    let delivered = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    match next(form, handle, 1, &mut Buffer::new(4096, 4096)) {
                        (0, count) => {
                            delivered.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
                        }
                        (170, _) => std::thread::yield_now(),
                        (status, _) => break assert_eq!(status, 259),
                    }
                }
            });
        }
    });
    assert_eq!(delivered.into_inner(), 400);
    assert_eq!(form.call_plain("WNetCloseEnum", &[handle]), 0);
}

#[test]
fn w54_a_network_type_leads_to_its_provider_and_back() {
    serve();
    for form in FORMS {
        // An unsuffixed call without strings goes by the one before.
        let mut kind = 0u32;
        let name = form.text("test network");
        let arguments = [name.as_ptr() as usize, (&raw mut kind) as usize];
        assert_eq!((form.call("WNetGetProviderType", &arguments), kind), (0, 0x0002_0000));
        let mut buffer = Buffer::new(64, 5);
        let get = |buffer: &mut Buffer| {
            form.call("WNetGetProviderName", &[0x0002_0005, buffer.address(), buffer.size()])
        };
        assert_eq!((get(&mut buffer), *buffer.size), (234, 13));
        assert_eq!(get(&mut buffer), 0);
        assert_eq!(buffer.text(form), PROVIDER);
        assert_eq!(form.call("WNetGetProviderName", &[0x0003_0000, buffer.address(), buffer.size()]), 1222);
        assert_eq!(form.call("WNetGetProviderName", &[0x0002_0000, 0, buffer.size()]), 487);
        assert_eq!(form.call("WNetGetProviderName", &[0x0002_0000, buffer.address(), 0]), 487);
        let unknown = form.text("nobody");
        let arguments = [unknown.as_ptr() as usize, (&raw mut kind) as usize];
        assert_eq!(form.call("WNetGetProviderType", &arguments), 1204);
    }
}

#[test]
fn w55_a_structure_of_another_size_is_not_filled() {
    serve();
    for form in FORMS {
        let name = form.text(PROVIDER);
        let mut info = [0xAAAA_AAAAu32; 16];
        let get = |info: &mut [u32; 16]| {
            form.call("WNetGetNetworkInformation", &[name.as_ptr() as usize, info.as_mut_ptr() as usize])
        };
        info[0] = 4;
        assert_eq!(get(&mut info), 87);
        assert_eq!(info[1], 0xAAAA_AAAA);
        info[0] = 60;
        assert_eq!(get(&mut info), 0);
        assert_eq!(info[0] as usize, size_of::<NETINFOSTRUCT>());
        assert_eq!(info[1..4], [7, 0, 0]);
        assert_eq!(info[size_of::<NETINFOSTRUCT>() / 4], 0xAAAA_AAAA, "nothing behind it is touched");
        let unknown = form.text("nobody");
        info[0] = 40;
        let arguments = [unknown.as_ptr() as usize, info.as_mut_ptr() as usize];
        assert_eq!(form.call("WNetGetNetworkInformation", &arguments), 1204);
    }
}

#[test]
fn w56_and_w57_the_performance_of_nothing_or_into_nothing() {
    serve();
    connect("K:", r"\\fast\x");
    for form in FORMS {
        let nothing = Resource::new(form, None, None);
        let mut info = NETCONNECTINFOSTRUCT { cbStructure: 20, ..Default::default() };
        let at = (&raw mut info) as usize;
        assert_eq!(form.call("MultinetGetConnectionPerformance", &[nothing.address(), at]), 67);
        assert_eq!(form.call("MultinetGetConnectionPerformance", &[nothing.address(), 0]), 487);
        assert_eq!(form.call("MultinetGetConnectionPerformance", &[0, at]), 487);
        info = NETCONNECTINFOSTRUCT { cbStructure: 19, dwSpeed: 77, ..Default::default() };
        let drive = Resource::new(form, Some("K:"), None);
        assert_eq!(form.call("MultinetGetConnectionPerformance", &[drive.address(), at]), 87);
        assert_eq!(info.dwSpeed, 77);
        info.cbStructure = 24;
        assert_eq!(form.call("MultinetGetConnectionPerformance", &[drive.address(), at]), 0);
        let expected = NETCONNECTINFOSTRUCT {
            cbStructure: 24,
            dwFlags: 2,
            dwSpeed: 1000,
            dwDelay: 3,
            dwOptDataSize: 65536,
        };
        assert_eq!(info, expected);
        let refused = Resource::new(form, None, Some(r"\\status-2250\x"));
        assert_eq!(form.call("MultinetGetConnectionPerformance", &[refused.address(), at]), 2250);
        assert_eq!((info.cbStructure, info.dwSpeed), (24, 0), "zeroed before anybody is asked");
    }
    disconnect("K:");
}

#[test]
fn w58_and_w59_an_extended_error_belongs_to_its_thread_and_is_cut_to_size() {
    serve();
    for form in FORMS {
        let ask = move |text_size: usize, text: &mut Buffer, name: &mut Buffer| {
            let mut code = 99u32;
            let arguments = [(&raw mut code) as usize, text.address(), text_size, name.address(), 32];
            assert_eq!(form.call("WNetGetLastError", &arguments), 0);
            code
        };
        let get = move |text_size: usize| {
            let (mut text, mut name) = (Buffer::new(64, 0), Buffer::new(64, 0));
            let code = ask(text_size, &mut text, &mut name);
            (code, if text_size == 0 { None } else { Some(text.text(form)) }, name.text(form))
        };
        std::thread::spawn(move || {
            let refused = Resource::new(form, None, Some(r"\\status-1208\x"));
            assert_eq!(form.call("WNetAddConnection2", &[refused.address()]), 1208);
            assert_eq!(get(4), (4711, Some("abc".into()), PROVIDER.into()));
            assert_eq!(get(1), (4711, Some(String::new()), PROVIDER.into()));
            assert_eq!(get(0), (4711, None, PROVIDER.into()));
            assert_eq!(get(7), (4711, Some("abcdef".into()), PROVIDER.into()), "asking does not clear it");
            let elsewhere = std::thread::spawn(move || {
                let (mut text, mut name) = (Buffer::new(64, 0), Buffer::new(64, 0));
                let code = ask(32, &mut text, &mut name);
                // Without a string of its own, an unsuffixed call goes by those of other tests: what is empty
                // in either encoding begins with a zero.
                (code, text.bytes[0], name.bytes[0])
            });
            assert_eq!(elsewhere.join().expect("the call returns"), (0, 0, 0), "another thread sees nothing");
        })
        .join()
        .expect("the assertions hold");
    }
}

#[test]
fn an_extended_error_is_never_cut_within_a_character() {
    for form in FORMS {
        std::thread::spawn(move || {
            let (text, name) = (form.text("a€𝄞"), form.text("Ünet"));
            let set = form.function("WNetSetLastError").expect("exported");
            call(set, &[5, text.as_ptr() as usize, name.as_ptr() as usize]);
            assert_eq!(last_error(), 31337, "a function without a result leaves the last error alone");
            let (mut code, mut cut, mut who) = (0u32, Buffer::new(64, 0), Buffer::new(64, 0));
            let mut seen = Vec::new();
            for size in 1..=9 {
                let arguments = [(&raw mut code) as usize, cut.address(), size, who.address(), 8];
                assert_eq!(form.call("WNetGetLastError", &arguments), 0);
                seen.push(cut.text(form));
            }
            seen.dedup();
            assert_eq!(seen, ["", "a", "a€", "a€𝄞"]);
            assert_eq!((code, who.text(form)), (5, "Ünet".into()));
        })
        .join()
        .expect("the assertions hold");
    }
}

/// Fields of `CONNECTDLGSTRUCT` and `DISCDLGSTRUCT` as the tests need them.
fn connect_dialog(resource: &Resource, flags: u32) -> CONNECTDLGSTRUCTW {
    CONNECTDLGSTRUCTW {
        cbStructure: size_of::<CONNECTDLGSTRUCTW>() as u32,
        hwndOwner: std::ptr::null_mut(),
        lpConnRes: std::ptr::without_provenance_mut(resource.address()),
        dwFlags: flags,
        dwDevNum: 0,
    }
}

#[test]
fn w60_a_connect_dialog_is_validated_though_there_is_nobody_to_show_it() {
    serve();
    for form in FORMS {
        let named = Resource::new(form, None, Some(r"\\s\x"));
        let nameless = Resource::new(form, None, None);
        let printer = Resource::new(form, None, Some(r"\\s\x")).kind(RESOURCETYPE_PRINT);
        let show = |resource: &Resource, flags: u32| {
            let mut dialog = connect_dialog(resource, flags);
            form.call("WNetConnectionDialog1", &[(&raw mut dialog) as usize])
        };
        assert_eq!(show(&named, CONNDLG_RO_PATH | CONNDLG_USE_MRU), 87);
        assert_eq!(show(&named, CONNDLG_PERSIST | CONNDLG_NOT_PERSIST), 87);
        assert_eq!(show(&nameless, CONNDLG_RO_PATH), 87);
        assert_eq!(show(&named, 0x40), 87);
        assert_eq!(show(&printer, 0), 66);
        assert_eq!(show(&named, CONNDLG_RO_PATH), 50);
        assert_eq!(show(&nameless, 0), 50);
        let mut dialog = connect_dialog(&named, 0);
        dialog.cbStructure += 8;
        assert_eq!(form.call("WNetConnectionDialog1", &[(&raw mut dialog) as usize]), 87);
        dialog = CONNECTDLGSTRUCTW { lpConnRes: std::ptr::null_mut(), ..connect_dialog(&named, 0) };
        assert_eq!(form.call("WNetConnectionDialog1", &[(&raw mut dialog) as usize]), 487);
        assert_eq!(form.call("WNetConnectionDialog1", &[0]), 487);
    }
    let form = Form::Wide;
    assert_eq!(form.call_plain("WNetConnectionDialog", &[0, 2]), 66);
    assert_eq!(form.call_plain("WNetConnectionDialog", &[0, 1]), 50);
    assert_eq!(form.call_plain("WNetDisconnectDialog", &[0, 0]), 66);
    assert_eq!(form.call_plain("WNetDisconnectDialog", &[0, 1]), 50);
}

#[test]
fn a_disconnect_dialog_works_without_anybody_to_show_it() {
    serve();
    for form in FORMS {
        let device = form.text("L:");
        let close = |flags: u32| {
            let mut dialog = DISCDLGSTRUCTW {
                cbStructure: size_of::<DISCDLGSTRUCTW>() as u32,
                hwndOwner: std::ptr::null_mut(),
                lpLocalName: device.as_ptr().cast_mut().cast(),
                lpRemoteName: std::ptr::null_mut(),
                dwFlags: flags,
            };
            form.call("WNetDisconnectDialog1", &[(&raw mut dialog) as usize])
        };
        connect("L:", r"\\open\files");
        assert_eq!(close(2), 87);
        assert_eq!(close(DISC_NO_FORCE), 2401);
        assert_eq!(close(0), 0);
        assert_eq!(close(0), 2250);
        assert_eq!(form.call("WNetDisconnectDialog1", &[0]), 487);
    }
}

#[test]
fn a_resource_is_taken_apart_into_what_is_reached_and_the_rest() {
    serve();
    for form in FORMS {
        let asked = Resource::new(form, None, Some(r"\\s\ä\dir\file"));
        let mut buffer = Buffer::new(1024, 8);
        let mut rest = 1usize;
        let at = (&raw mut rest) as usize;
        let get = |resource: &Resource, buffer: &mut Buffer| {
            form.call(
                "WNetGetResourceInformation",
                &[resource.address(), buffer.address(), buffer.size(), at],
            )
        };
        assert_eq!(get(&asked, &mut buffer), 234);
        assert_eq!(get(&asked, &mut buffer), 0, "what was said to be needed is enough");
        assert_eq!(names(form, &buffer, 1), [r"\\s\ä"]);
        // SAFETY: the function set it to a string in the buffer.
        assert_eq!(unsafe { form.read(rest) }, r"\dir\file");
        *buffer.size = 1024;
        assert_eq!(get(&Resource::new(form, None, Some(r"\\s\x")), &mut buffer), 0);
        assert_eq!(rest, 0, "there is no rest");
        assert_eq!(get(&Resource::new(form, None, None), &mut buffer), 67);
    }
}

#[test]
fn the_parent_of_a_resource_is_known_by_its_provider() {
    serve();
    for form in FORMS {
        let asked = Resource::new(form, None, Some(r"\\sä\x")).provider(form, PROVIDER);
        let mut buffer = Buffer::new(1024, 8);
        let get = |resource: &Resource, buffer: &mut Buffer| {
            form.call("WNetGetResourceParent", &[resource.address(), buffer.address(), buffer.size()])
        };
        assert_eq!(get(&asked, &mut buffer), 234);
        assert_eq!(get(&asked, &mut buffer), 0);
        assert_eq!(names(form, &buffer, 1), [r"\\sä"]);
        assert_eq!(get(&Resource::new(form, None, Some(r"\\s\x")), &mut buffer), 1204);
    }
}

#[test]
fn a_provider_for_whose_answer_no_room_is_enough_does_not_have_the_caller_try_for_ever() {
    serve();
    for form in FORMS {
        let mut buffer = Buffer::new(1024, 64);
        let name = form.text(r"\\status-234\x");
        let user = [name.as_ptr() as usize, buffer.address(), buffer.size()];
        assert_eq!(form.call("WNetGetUser", &user), 59);
        let asked = Resource::new(form, None, Some(r"\\status-234\x")).provider(form, PROVIDER);
        let mut rest = 1usize;
        let resource = [asked.address(), buffer.address(), buffer.size(), (&raw mut rest) as usize];
        assert_eq!(form.call("WNetGetResourceInformation", &resource), 59);
        assert_eq!(form.call("WNetGetResourceParent", &resource[..3]), 59);
        assert_eq!(next(form, open(form, r"\\endless-1"), u32::MAX, &mut buffer).0, 59);
        assert_eq!(*buffer.size, 64);
    }
}

#[test]
fn the_user_of_a_connection_is_told_in_the_callers_encoding() {
    serve();
    for form in FORMS {
        let name = form.text(r"\\s\x");
        let mut user = Buffer::new(64, 3);
        let get = |user: &mut Buffer| {
            form.call("WNetGetUser", &[name.as_ptr() as usize, user.address(), user.size()])
        };
        assert_eq!(get(&mut user), 234);
        assert_eq!(*user.size, if form.is_wide() { 7 } else { 8 });
        assert_eq!((get(&mut user), user.text(form)), (0, "Jürgen".into()));
        let mut own = Buffer::new(256, 128);
        assert_eq!(form.call("WNetGetUser", &[0, own.address(), own.size()]), 0);
        assert!(!own.text(form).is_empty());
        assert_eq!(form.call("WNetGetUser", &[0, 0, own.size()]), 487);
        assert_eq!(form.call("WNetGetUser", &[0, own.address(), 0]), 487);
    }
}

#[test]
fn a_name_is_formatted_by_its_provider() {
    serve();
    for form in FORMS {
        let (provider, name) = (form.text(PROVIDER), form.text(r"\\s\x"));
        let mut shown = Buffer::new(64, 2);
        let get = |shown: &mut Buffer| {
            let names = [provider.as_ptr() as usize, name.as_ptr() as usize];
            form.call("WNetFormatNetworkName", &[names[0], names[1], shown.address(), shown.size(), 1, 80])
        };
        assert_eq!((get(&mut shown), *shown.size), (234, 8));
        assert_eq!((get(&mut shown), shown.text(form)), (0, r"<\\s\x>".into()));
    }
}

#[test]
fn the_functions_of_the_file_manager_reach_the_owner_of_the_drive() {
    serve();
    connect("M:", r"\\s\files");
    for form in FORMS {
        let path = form.text(r"M:\dir");
        let at = path.as_ptr() as usize;
        let mut kind = 0i32;
        let arguments = [at, (&raw mut kind) as usize, 0];
        assert_eq!((form.call("WNetGetDirectoryType", &arguments), kind), (0, 1));
        assert_eq!(form.call("WNetDirectoryNotify", &[0, at, 1]), 0);
        assert_eq!(form.call("WNetDirectoryNotify", &[0, at, 3]), 1246);
        let mut caption = Buffer::new(64, 0);
        let place = caption.address();
        assert_eq!(form.call("WNetGetPropertyText", &[1, 0, at, place, 32, 2]), 0);
        assert_eq!(caption.text(form), "&Eigenschäften");
        assert_eq!(form.call("WNetGetPropertyText", &[1, 0, at, place, 3, 2]), 234);
        assert_eq!(form.call("WNetPropertyDialog", &[0, 1, 0, at, 2]), 0);
        let nowhere = form.text(r"Y:\dir");
        assert_eq!(form.call("WNetDirectoryNotify", &[0, nowhere.as_ptr() as usize, 1]), 2250);
    }
    let drive = Form::Wide.text("M:");
    let at = drive.as_ptr() as usize;
    let caps = function("WNetFMXGetPermCaps").expect("exported");
    assert_eq!((call(caps, &[at]), last_error()), (5, 0), "a mask, and a status beside it");
    assert_eq!((call(caps, &[0]), last_error()), (0, 487));
    assert_eq!(Form::Wide.call_plain("WNetFMXEditPerm", &[at, 0, 0]), 0);
    let (mut file, mut context) = (Buffer::new(64, 3), 0u32);
    let arguments = [at, 0, 0, file.address(), file.size(), (&raw mut context) as usize];
    assert_eq!((Form::Wide.call_plain("WNetFMXGetPermHelp", &arguments), *file.size), (234, 9));
    assert_eq!((Form::Wide.call_plain("WNetFMXGetPermHelp", &arguments), context), (0, 5));
    assert_eq!(file.text(Form::Wide), "help.hlp");
    disconnect("M:");
}

#[test]
fn a_connection_can_be_remembered_forgotten_and_restored() {
    serve();
    connect("N:", r"\\s\kept");
    for form in FORMS {
        let name = form.text("N:");
        let at = name.as_ptr() as usize;
        let set = |value: u32| form.call("WNetSetConnection", &[at, 1, (&raw const value) as usize]);
        assert_eq!(set(1), 0);
        assert_eq!(form.call("WNetCancelConnection2", &[at, 0, 0]), 0);
        if form != Form::Narrow {
            assert_eq!(form.call("WNetRestoreSingleConnection", &[0, at, 0]), 0);
            assert_eq!(form.call("WNetRestoreConnection", &[0, at]), 85, "it is connected already");
        } else {
            connect("N:", r"\\s\kept");
        }
        assert_eq!(set(0), 0);
        assert_eq!(form.call("WNetSetConnection", &[at, 2, 1]), 87, "what it points to is not looked at");
        assert_eq!(form.call("WNetSetConnection", &[at, 1, 0]), 487);
    }
    assert_eq!(disconnect("N:"), 0);
}

#[test]
fn functions_whose_parameters_are_not_public_are_not_supported() {
    for name in [
        "WNetConnectionDialog2",
        "WNetDisconnectDialog2",
        "WNetGetSearchDialog",
        "WNetSupportGlobalEnum",
        "WNetGetHomeDirectoryW",
        "WNetGetConnection2A",
        "WNetGetConnection2W",
        "WNetGetConnection3",
        "WNetGetHomeDirectory",
        "WNetRestoreConnection2W",
        "WNetRestoreConnection2",
        "MultinetGetErrorTextA",
        "MultinetGetErrorTextW",
        "MultinetGetErrorText",
    ] {
        assert_eq!(Form::Wide.call_plain(name, &[1, 2, 3]), 50, "{name}");
    }
}

#[test]
fn a_panic_of_a_provider_ends_at_the_boundary() {
    serve();
    for form in FORMS {
        let resource = Resource::new(form, None, Some(r"\\panic\x"));
        assert_eq!(form.call("WNetAddConnection2", &[resource.address()]), 59);
    }
}

#[test]
fn a_logon_without_credential_managers_has_no_scripts() {
    serve();
    let kind = Form::Wide.text("MSV1_0:Interactive");
    let (mut id, mut scripts) = (LUID { LowPart: 1, HighPart: 0 }, 1usize);
    let (id, kind) = ((&raw mut id) as usize, kind.as_ptr() as usize);
    let at = (&raw mut scripts) as usize;
    assert_eq!(Form::Wide.call_plain("WNetLogonNotify", &[id, kind, 0, 0, 0, 0, 0, at]), 0);
    assert_eq!(scripts, 0);
    assert_eq!(Form::Wide.call_plain("WNetLogonNotify", &[id, kind]), 487);
    assert_eq!(Form::Wide.call_plain("WNetPasswordChangeNotify", &[kind, 0, 0, 0, 0, 0, 1]), 0);
    assert_eq!(Form::Wide.call_plain("WNetPasswordChangeNotify", &[0]), 487);
}
