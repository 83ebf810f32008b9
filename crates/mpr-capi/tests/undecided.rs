//! What unsuffixed functions go by, from the first call in a process on. One test, since the process remembers.

mod common;

use common::*;
use mpr_abi::CONNECT_REDIRECT;

/// Asks for the user of this process without suffix and without a name.
fn user(buffer: &mut Buffer) -> u32 {
    Form::UnsuffixedWide.call("WNetGetUser", &[0, buffer.address(), buffer.size()])
}

#[test]
fn an_unsuffixed_call_goes_by_its_names_and_without_any_by_the_call_before() {
    serve();
    // Before anybody has shown anything: UTF-16, in no more bytes than the size says characters.
    let mut buffer = Buffer::new(1024, 1);
    assert_eq!(user(&mut buffer), 234);
    let needed = *buffer.size as usize;
    assert_eq!(user(&mut buffer), 0, "what was said to be needed is enough");
    let name = buffer.text(Form::Wide);
    assert_eq!(needed, 2 * (name.encode_utf16().count() + 1));
    assert!(buffer.bytes[needed..].iter().all(|&byte| byte == 0xAA), "no byte more than {needed}");

    let show = |form: Form| {
        let device = form.text("Z:");
        assert_eq!(form.call("WNetGetConnection", &[device.as_ptr() as usize, 0, buffer_size()]), 2250);
    };
    for (form, shown) in [
        (Form::UnsuffixedNarrow, Form::Narrow),
        (Form::UnsuffixedWide, Form::Wide),
        // Names with a suffix show nothing: who uses them uses them for everything.
        (Form::Narrow, Form::Wide),
        (Form::UnsuffixedNarrow, Form::Narrow),
    ] {
        show(form);
        let mut buffer = Buffer::new(1024, 256);
        assert_eq!((user(&mut buffer), buffer.text(shown)), (0, name.clone()), "after {form:?}");
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = Buffer::new(1024, 256);
            assert_eq!(user(&mut buffer), 0);
            assert_eq!(buffer.text(Form::Narrow), name, "a new thread goes by the others");
            show(Form::UnsuffixedWide);
        });
    });
    let mut buffer = Buffer::new(1024, 256);
    assert_eq!(user(&mut buffer), 0);
    assert_eq!(buffer.text(Form::Narrow), name, "this one by itself");
    w32_without_a_free_letter_no_device_is_chosen();
}

/// A size of nothing, for calls that have nothing to write.
fn buffer_size() -> usize {
    static SIZE: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    SIZE.as_ptr() as usize
}

fn w32_without_a_free_letter_no_device_is_chosen() {
    let form = Form::Wide;
    let resource = Resource::new(form, None, Some(r"\\w32\x"));
    let choose = |name: &mut Buffer| {
        let arguments =
            [0, resource.address(), 0, 0, CONNECT_REDIRECT as usize, name.address(), name.size(), 0];
        form.call("WNetUseConnection", &arguments)
    };
    for expected in ('C'..='Z').rev() {
        let mut name = Buffer::new(8, 4);
        assert_eq!(choose(&mut name), 0);
        assert_eq!(name.text(form), format!("{expected}:"));
    }
    let mut name = Buffer::new(8, 4);
    assert_eq!((choose(&mut name), *name.size), (259, 4));
}
