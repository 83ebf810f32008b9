//! What holds for every file and every sequence of changes.

use std::collections::BTreeMap;

use mpr_core::device::LocalDevice;
use mpr_core::remote::same_resource;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::document::{Contents, Document, device_named, may_hold, parse};
use super::entry::Entry;
use super::rewrite;

const DEVICES: [&str; 6] = ["A:", "Y:", "Z:", "LPT1", "/mnt/data", "/mnt/it's \"x\"\n."];

#[derive(Debug, Clone)]
enum Change {
    Remember(Entry),
    Forget(LocalDevice),
    Recent(String),
    Save(bool),
}

fn device() -> impl Strategy<Value = LocalDevice> {
    select(&DEVICES[..]).prop_map(|name| device_named(name).unwrap())
}

fn remote() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "(?i:[ab])".prop_map(|name| format!(r"\\srv\{name}")),
        1 => "[^\0]{1,12}",
        1 => r##"[\\'"#= \[\]\r\n{}]{1,8}"##,
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    let option = proptest::option::of::<BoxedStrategy<String>>;
    (
        (device(), remote(), option("[^\0]{0,6}".boxed())),
        ("[^\0]{0,6}", any::<u32>(), any::<u32>()),
        (proptest::option::of(any::<u32>()), proptest::option::of(vec(any::<u8>(), 0..6))),
    )
        .prop_map(
            |((device, remote, user), (provider, provider_type, connection_type), (flags, options))| Entry {
                user,
                provider,
                provider_type,
                connection_type,
                defer_flags: flags,
                use_options: options,
                ..Entry::new(device, remote)
            },
        )
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => entry().prop_map(Change::Remember),
        2 => device().prop_map(Change::Forget),
        2 => remote().prop_map(Change::Recent),
        1 => any::<bool>().prop_map(Change::Save),
    ]
}

/// How a user may have written the drives by hand.
#[derive(Debug, Clone, Copy)]
enum Style {
    Headers,
    Inline,
    Dotted,
    Root,
}

/// A file as a user may have left it: comments and keys of their own nearly everywhere. Each comment and each
/// key has a number; those that go when an entry is forgotten say the entry's name.
fn file() -> impl Strategy<Value = String> {
    let devices = proptest::sample::subsequence(&DEVICES[..5], 0..=4).prop_shuffle();
    let style = select(&[Style::Headers, Style::Inline, Style::Dotted, Style::Root][..]);
    (devices, style, vec(any::<bool>(), 200), any::<(bool, bool)>()).prop_map(
        |(devices, style, coins, (crlf, mark))| {
            let (mut coins, mut number, mut text) = (coins.into_iter(), 0, String::new());
            let mut maybe = |text: &mut String, line: &str| {
                number += 1;
                if coins.next().unwrap_or(false) {
                    text.push_str(&line.replace('@', &number.to_string()));
                }
            };
            maybe(&mut text, "# kept @\n\n");
            maybe(&mut text, "kept@ = 'kept @' # kept @\n");
            if let Style::Root = style {
                for device in &devices {
                    let key =
                        if device.starts_with("LPT") { (*device).into() } else { format!("'{device}'") };
                    maybe(&mut text, "# kept @\n");
                    text.push_str(&format!("drives.{key}.RemotePath = '\\\\s\\x' # of {device}\n"));
                    maybe(&mut text, "# kept @\n");
                    maybe(&mut text, &format!("drives.{key}.x@ = 'of {device}' # of {device}\n"));
                }
            }
            maybe(&mut text, "[kept@]\nkept@ = [ 1, # kept @\n  2 ]\n# kept @\n");
            if let Style::Inline | Style::Dotted = style {
                text.push_str("[drives] # kept 1000\n");
            }
            for device in devices {
                maybe(&mut text, "  # kept @\n");
                match style {
                    Style::Headers => {
                        text.push_str(&format!("[drives.\"{device}\"] # of {device}\n"));
                        maybe(&mut text, &format!("\n  # of {device}\n"));
                        maybe(&mut text, &format!("x@ = {{ y = 'of {device}' }}\n"));
                        text.push_str(&format!("RemotePath = \"\\\\\\\\s\\\\x\" # of {device}\n"));
                        maybe(&mut text, "\n# kept @\n");
                        maybe(&mut text, "[[kept.x]]\nkept@ = 1 # kept @\n");
                        maybe(&mut text, &format!("# kept @\n[drives.\"{device}\".x]\ny@ = 'of {device}'\n"));
                        maybe(&mut text, "# kept @\n");
                    }
                    Style::Inline => {
                        text.push_str(&format!("\"{device}\" = {{ RemotePath = '\\\\s\\x' "));
                        maybe(&mut text, &format!(", x@ = 'of {device}' "));
                        text.push_str(&format!("}} # of {device}\n"));
                    }
                    Style::Dotted => {
                        text.push_str(&format!("\"{device}\".RemotePath = '\\\\s\\x' # of {device}\n"));
                        maybe(&mut text, "# kept @\n");
                        maybe(&mut text, &format!("\"{device}\".x@ = 'of {device}' # of {device}\n"));
                    }
                    Style::Root => {}
                }
            }
            maybe(&mut text, "# kept @\n");
            maybe(
                &mut text,
                "[recent]\n# kept @\nc = '\\\\srv\\a' # kept @\nOrder = 'cq' # kept @\nb = 'stale'\n",
            );
            maybe(&mut text, "[settings]\nkept@ = 'kept @'\nSaveConnections = 'Yes' # kept @\n");
            maybe(&mut text, "[kept.last] # kept @\n");
            maybe(&mut text, "# kept @ without an end of line");
            if crlf {
                text = text.replace('\n', "\r\n");
            }
            if mark {
                text.insert(0, '\u{feff}');
            }
            text
        },
    )
}

/// What of a text must still be there: what is kept always, and what belongs to a device that is there.
fn marks(text: &str, gone: &[String]) -> BTreeMap<String, usize> {
    let mut marks = BTreeMap::new();
    for line in text.lines() {
        for (at, _) in line.match_indices("kept ") {
            *marks.entry(line[at..].chars().take_while(|c| !"'#".contains(*c)).collect()).or_default() += 1;
        }
        for (at, _) in line.match_indices("of ") {
            let of: String = line[at + 3..].chars().take_while(|c| !"'\r".contains(*c)).collect();
            if !gone.contains(&of) {
                *marks.entry(of).or_default() += 1;
            }
        }
    }
    marks
}

fn same(one: &str, other: &str) -> bool {
    let wide = |text: &str| text.encode_utf16().collect::<Vec<_>>();
    same_resource(&wide(one), &wide(other))
}

/// The model: what `change` makes of `contents`.
fn apply(contents: &mut Contents, change: &Change) {
    match change {
        Change::Remember(entry) => {
            let mut stored = entry.clone();
            stored.user = stored.user.filter(|user| !user.is_empty());
            stored.use_options = stored.use_options.filter(|options| !options.is_empty());
            stored.defer_flags = stored.defer_flags.or(Some(if stored.user.is_some() { 1 } else { 4 }));
            contents.entries.retain(|other| other.device != entry.device);
            contents.entries.push(stored);
            contents.entries.sort_by(|one, other| one.device.cmp(&other.device));
        }
        Change::Forget(device) => contents.entries.retain(|entry| entry.device != *device),
        Change::Recent(remote) => {
            contents.recent.retain(|other| !same(other, remote));
            contents.recent.insert(0, remote.clone());
            contents.recent.truncate(26);
        }
        Change::Save(save) => contents.save_connections = Some(*save),
    }
}

proptest! {
    #[test]
    fn any_sequence_of_changes_does_what_the_model_does_and_keeps_what_the_user_wrote(
        (file, changes) in (file(), vec(change(), 1..12))
    ) {
        let (mut text, mut model) = (file.clone(), parse(file.as_bytes()));
        prop_assert_eq!(&model.flaws, &[], "{}", file);
        let mut gone = Vec::new();
        for change in changes {
            let contents = parse(text.as_bytes());
            let changed = match &change {
                Change::Remember(entry) => rewrite::remember(&text, &contents, entry),
                Change::Forget(device) => rewrite::forget(&text, &contents, device),
                Change::Recent(remote) => rewrite::add_recent(&text, &contents, remote),
                Change::Save(save) => rewrite::set_save_connections(&text, &contents, *save),
            };
            let changed = changed.map_err(|flaw| TestCaseError::fail(format!("{flaw:?}\n{change:?}\n{text}")))?;
            let crlf = |text: &str| text.matches('\n').count() == text.matches("\r\n").count();
            let (old, lines) = (text.clone(), text.contains('\n') && crlf(&text));
            text = changed.unwrap_or(text);
            prop_assert!(!lines || crlf(&text), "{old:?}\n{text:?}");
            apply(&mut model, &change);
            prop_assert_eq!(&parse(text.as_bytes()), &model, "{:?}\n{}", change, text);
            if let Change::Forget(device) = change {
                gone.push(device.to_string());
            }
            prop_assert_eq!(marks(&text, &gone), marks(&file, &gone), "{}\n-----\n{}", file, text);
        }
        prop_assert_eq!(text.starts_with('\u{feff}'), file.starts_with('\u{feff}'));
    }

    #[test]
    fn a_slip_of_the_hand_never_makes_an_entry_say_something_else(
        (entries, place, slip, cut) in (vec(entry(), 1..5), any::<prop::sample::Index>(),
            select(&["", "\"", "'", "[", "]", "=", "\n", "#", "\\", "{", "}", ",", ".", "'''", "\"\"\"", "\u{1}"][..]),
            0..3_usize)
    ) {
        let mut text = String::new();
        for entry in &entries {
            let contents = parse(text.as_bytes());
            text = rewrite::remember(&text, &contents, entry).unwrap().unwrap_or(text);
        }
        let whole = parse(text.as_bytes());
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let from = place.index(places.len());
        let to = places.get(from + cut).copied().unwrap_or(text.len());
        text.replace_range(places[from]..to, slip);
        // Where the slip leaves well-formed TOML, nobody can tell that it is one.
        if toml::de::DeTable::parse(&text).is_err() {
            for entry in parse(text.as_bytes()).entries {
                prop_assert!(whole.entries.contains(&entry), "{entry:?}\n{text}");
            }
        }
    }

    #[test]
    fn any_bytes_can_be_read(bytes in vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn any_text_of_the_languages_words_can_be_read_and_changed(
        (words, change) in (vec(select(&WORDS[..]), 0..40), change())
    ) {
        let text = words.concat();
        let contents = parse(text.as_bytes());
        let document = Document::parse(text.as_bytes()).unwrap();
        for device in DEVICES.map(|name| device_named(name).unwrap()) {
            let found = document.entry(&device);
            prop_assert_eq!(found.as_ref(), contents.entry(&device));
            prop_assert!(found.is_none() || may_hold(text.as_bytes(), &device));
        }
        if contents.flaws.iter().any(|flaw| flaw.malformed) {
            return Ok(());
        }
        let mut model = contents.clone();
        apply(&mut model, &change);
        let changed = match &change {
            Change::Remember(entry) => rewrite::remember(&text, &contents, entry),
            Change::Forget(device) => rewrite::forget(&text, &contents, device),
            Change::Recent(remote) => rewrite::add_recent(&text, &contents, remote),
            Change::Save(save) => rewrite::set_save_connections(&text, &contents, *save),
        };
        // It may be refused, but what is done must be right.
        if let Ok(changed) = changed {
            let said = parse(changed.unwrap_or(text).as_bytes());
            prop_assert_eq!((said.entries, said.recent), (model.entries, model.recent));
        }
    }
}

const WORDS: [&str; 37] = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    " = ",
    ",",
    ".",
    "\n",
    "\n",
    "\n",
    "\r\n",
    " ",
    "#",
    "'",
    "\"",
    "'''",
    "drives",
    "drives",
    "\"Z:\"",
    "\"z:\"",
    "'Y:'",
    "LPT1",
    "\"\\u005a:\"",
    "RemotePath",
    "RemotePath = 'x'\n",
    "UserName = ''\n",
    "[drives.\"Z:\"]\n",
    "[drives]\n",
    "[recent]\n",
    "Order = 'ab'\n",
    "a = 'r'\n",
    "1",
    "true",
    "[settings]\nSaveConnections = 'no'\n",
];

#[test]
fn a_file_that_is_all_mistakes_is_turned_down_without_ado() {
    let mut store = String::from("[drives.\"Z:\"]\nRemotePath = 'x'\n");
    store.push_str(&"=".repeat(1 << 20));
    for text in [&*store, &store[..1000]] {
        let contents = parse(text.as_bytes());
        assert_eq!((contents.entries.len(), contents.flaws.len()), (0, 1));
        assert_eq!(contents.flaws[0].line, Some(3));
    }
    let mut store = String::new();
    for number in 0..20_000 {
        store.push_str(&format!("[drives.a{number}]\n"));
    }
    store.push_str("[drives.\"Z:\"]\n");
    let flaws = parse(store.as_bytes()).flaws;
    assert_eq!(flaws.len(), 100);
    // What stops a change is not lost among what does not.
    assert_eq!((flaws[0].malformed, flaws[0].line), (true, Some(20_001)));
}

#[test]
fn deep_nesting_neither_overflows_a_small_stack_nor_hinders_a_change() {
    let nested = |dots: usize, braces: usize| {
        let (key, level) = (format!("{}a", "a.".repeat(dots)), format!("{{{}a=", "a.".repeat(dots)));
        format!("[{key}]\nb.{key} = {}1{}\n", level.repeat(braces), "}".repeat(braces))
    };
    let refused = [
        format!("{}a = 1", "a.".repeat(1_000_000)),
        format!("[{}a]", "a.".repeat(1_000_000)),
        format!("a = {}", "[".repeat(1_000_000)),
        format!("a = {}", "{a=".repeat(1_000_000)),
        "[".repeat(1_000_000),
        nested(77, 77),
    ];
    let accepted = [nested(20, 0), nested(0, 60), nested(15, 16)];
    let refused = refused.into_iter().map(|text| (text, false));
    for (text, accept) in refused.chain(accepted.into_iter().map(|text| (text, true))) {
        // Some systems give a thread no more than 128 KiB. Unoptimised code needs four times as much.
        let stack = if cfg!(debug_assertions) { 512 << 10 } else { 128 << 10 };
        let checked = std::thread::Builder::new().stack_size(stack).spawn(move || {
            let contents = parse(text.as_bytes());
            assert_eq!(contents.flaws.is_empty(), accept, "{:?}", contents.flaws);
            if accept {
                let entry = Entry::new(LocalDevice::Drive('Z'), "x");
                rewrite::remember(&text, &contents, &entry).unwrap().unwrap();
            }
        });
        checked.unwrap().join().unwrap();
    }
}
