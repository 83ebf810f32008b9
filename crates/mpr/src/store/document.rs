//! What a store's file says: reading, without touching the file system (DECISION R6).
//!
//! A reader skips what it cannot use and goes on. That holds for a file with a mistake in its syntax, too:
//! one slip of the hand must not make every drive disappear. What stands near the mistake is then not
//! trusted, since half a name is still a name.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mpr_core::device::LocalDevice;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::lexer::TokenKind;

use super::entry::Entry;
use crate::Problem;

/// Everything a store's file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contents {
    /// Remembered connections that can be used, in the order they are restored in (DECISION R2).
    pub entries: Vec<Entry>,
    /// Recently used resources, most recent first.
    pub recent: Vec<String>,
    /// Whether a new connection is to be remembered when nobody says; `None` if the user has not chosen.
    pub save_connections: Option<bool>,
    /// What could not be used, in the order of lines.
    pub flaws: Vec<Flaw>,
}

/// Something in the file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flaw {
    /// The line, counted from 1, if it is about one.
    pub line: Option<usize>,
    /// What is wrong: a clause, without full stop.
    pub what: String,
    /// What to do about it: an imperative, without full stop.
    pub remedy: String,
    /// Whether the file must not be changed before this is mended (DECISION R6).
    pub malformed: bool,
}

/// So many flaws are told. A file with more mistakes in its syntax is not a store with slips of the hand.
const MOST_FLAWS: usize = 100;

/// Biggest text, in bytes, that is read around mistakes in its syntax: some 1,500 entries. The parser keeps all
/// mistakes it finds, and in a text that is something else there may be one in every byte.
const BIGGEST_MENDABLE: usize = 256 << 10;

/// Reads `bytes` as a store's file. Any bytes will do.
#[must_use]
pub fn parse(bytes: &[u8]) -> Contents {
    match Document::parse(bytes) {
        Ok(document) => document.contents(),
        Err(flaw) => Contents { flaws: vec![flaw], ..Contents::default() },
    }
}

impl Contents {
    /// What `device` is remembered for.
    #[must_use]
    pub fn entry(&self, device: &LocalDevice) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&device, |entry| &entry.device).ok()?;
        Some(&self.entries[at])
    }
}

impl Flaw {
    pub(super) fn malformed(line: Option<usize>, what: impl Into<String>, remedy: impl Into<String>) -> Flaw {
        Flaw { line, what: what.into(), remedy: remedy.into(), malformed: true }
    }

    pub(super) fn in_file(self, file: &Path) -> Problem {
        Problem::new(file, self.line, self.what, self.remedy)
    }
}

/// A file taken apart as TOML, its meaning not yet looked at.
pub(super) struct Document<'a> {
    text: &'a str,
    root: DeTable<'a>,
    errors: Vec<toml::de::Error>,
    damage: Damage,
    /// Where lines end; found out when the first flaw is.
    breaks: OnceCell<Vec<usize>>,
}

/// A key of [`Document`] with its value.
type Item<'d, 'a> = (&'d Spanned<Cow<'a, str>>, &'d Spanned<DeValue<'a>>);

impl<'a> Document<'a> {
    /// # Errors
    ///
    /// The flaw of a text that is not UTF-8, about which nothing more can be said.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Flaw> {
        let text = str::from_utf8(bytes).map_err(|error| {
            let line = line_of(bytes, error.valid_up_to());
            Flaw::malformed(Some(line), "is not UTF-8 text", "save it as UTF-8, or move it out of the way")
        })?;
        if is_nested_too_deeply(text) {
            let remedy = "take it apart, or move the file out of the way";
            return Err(Flaw::malformed(None, "is nested too deeply", remedy));
        }
        let (root, errors) = match DeTable::parse(text) {
            Ok(root) => (root, Vec::new()),
            Err(error) if text.len() > BIGGEST_MENDABLE => return Err(syntax_flaw(text, &error)),
            Err(error) => {
                let (root, errors) = DeTable::parse_recoverable(text);
                if errors.len() > MOST_FLAWS {
                    return Err(syntax_flaw(text, &error));
                }
                (root, errors)
            }
        };
        let root = root.into_inner();
        let damage = Damage::of(text, &root, &errors);
        Ok(Document { text, root, errors, damage, breaks: OnceCell::new() })
    }

    fn contents(&self) -> Contents {
        let mut flaws: Vec<Flaw> = self.errors.iter().map(|error| syntax_flaw(self.text, error)).collect();
        let contents = Contents {
            entries: self.scan_entries(&mut flaws),
            recent: self.scan_recent(&mut flaws),
            save_connections: self.scan_save_connections(&mut flaws),
            flaws: Vec::new(),
        };
        flaws.sort_by_key(|flaw| flaw.line);
        if flaws.len() > MOST_FLAWS {
            // What stops a change must be told before what does not.
            flaws.sort_by_key(|flaw| !flaw.malformed);
            flaws.truncate(MOST_FLAWS);
        }
        Contents { flaws, ..contents }
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.scan_entries(&mut Vec::new())
    }

    pub(super) fn recent(&self) -> Vec<String> {
        self.scan_recent(&mut Vec::new())
    }

    pub(super) fn save_connections(&self) -> Option<bool> {
        self.scan_save_connections(&mut Vec::new())
    }

    pub(super) fn entry(&self, device: &LocalDevice) -> Option<Entry> {
        let DeValue::Table(drives) = self.root.get("drives")?.get_ref() else { return None };
        let item = drives.get_key_value(&*device.to_string()).or_else(|| {
            drives
                .iter()
                .filter(|(key, _)| device_named(key.get_ref()).as_ref() == Some(device))
                .min_by_key(|(key, _)| key.span().start)
        })?;
        self.read_entry(device.clone(), item)?.ok()
    }

    fn scan_entries(&self, flaws: &mut Vec<Flaw>) -> Vec<Entry> {
        let Some(drives) = self.table("drives", true, flaws) else { return Vec::new() };
        let mut by_device: BTreeMap<LocalDevice, Item<'_, 'a>> = BTreeMap::new();
        for item in drives {
            let (key, _) = item;
            let Some(device) = device_named(key.get_ref()) else {
                flaws.push(Flaw {
                    line: Some(self.line(key.span().start)),
                    what: format!(
                        "'{}' is not the name of a device, so this entry is skipped",
                        key.get_ref()
                    ),
                    remedy: "name a drive (\"Z:\"), a printer (\"LPT1\") or an absolute path".to_owned(),
                    malformed: false,
                });
                continue;
            };
            let Some(&other) = by_device.get(&device) else {
                by_device.insert(device, item);
                continue;
            };
            flaws.push(Flaw::malformed(
                Some(self.line(key.span().start.max(other.0.span().start))),
                format!("{device} is remembered twice, also in line {}", {
                    self.line(key.span().start.min(other.0.span().start))
                }),
                "remove one of the two",
            ));
            let canonical = device.to_string();
            if (*key.get_ref() != canonical, key.span().start)
                < (*other.0.get_ref() != canonical, other.0.span().start)
            {
                by_device.insert(device, item);
            }
        }
        let mut entries = Vec::with_capacity(by_device.len());
        for (device, item) in by_device {
            match self.read_entry(device, item) {
                Some(Ok(entry)) => entries.push(entry),
                Some(Err(flaw)) => flaws.push(flaw),
                None => {}
            }
        }
        entries
    }

    /// The entry of `device`; `None` if it stands near a mistake, which has been told of already.
    fn read_entry(&self, device: LocalDevice, (name, value): Item<'_, 'a>) -> Option<Result<Entry, Flaw>> {
        if self.damage.entries.contains(&name.span().start) {
            return None;
        }
        let flawed = |offset: usize, what: String, remedy: &str| {
            Some(Err(Flaw::malformed(
                Some(self.line(offset)),
                format!("the entry of {}: {what}", name.get_ref()),
                format!("{remedy}; until then it is skipped and nothing can be changed"),
            )))
        };
        let missing = "add RemotePath = '\\\\server\\share', or remove the entry";
        let DeValue::Table(keys) = value.get_ref() else {
            return flawed(name.span().start, "it is not a table".to_owned(), missing);
        };
        let mut entry = Entry::new(device, "");
        for (key, value) in keys {
            let read = match &**key.get_ref() {
                "RemotePath" => text(value).map(|text| entry.remote = text),
                // Windows writes the number 0 for "nobody" (`spec/persistence.md` §2).
                "UserName" if integer(value) == Some(0) => Some(()),
                "UserName" => text(value).map(|text| entry.user = Some(text).filter(|user| !user.is_empty())),
                "ProviderName" => text(value).map(|text| entry.provider = text),
                "ProviderType" => integer(value).map(|number| entry.provider_type = number),
                "ConnectionType" => integer(value).map(|number| entry.connection_type = number),
                "DeferFlags" => integer(value).map(|number| entry.defer_flags = Some(number)),
                "UseOptions" => {
                    let options = text(value).and_then(|text| BASE64.decode(text).ok());
                    options.map(|bytes| entry.use_options = Some(bytes).filter(|bytes| !bytes.is_empty()))
                }
                _ => continue,
            };
            if read.is_none() {
                let expected = match &**key.get_ref() {
                    "UseOptions" => "a string in base64",
                    "RemotePath" | "UserName" | "ProviderName" => "a string without NUL",
                    _ => "a whole number from 0 to 4294967295",
                };
                let what = format!("{} is not {expected}", key.get_ref());
                return flawed(key.span().start, what, "correct it");
            }
        }
        if entry.remote.is_empty() {
            return flawed(value.span().start, "it has no RemotePath".to_owned(), missing);
        }
        Some(Ok(entry))
    }

    fn scan_recent(&self, flaws: &mut Vec<Flaw>) -> Vec<String> {
        let Some(recent) = self.table("recent", self.damage.recent, flaws).filter(|_| !self.damage.recent)
        else {
            return Vec::new();
        };
        let Some((key, order)) = recent.get_key_value("Order") else { return Vec::new() };
        let Some(order) = text(order) else {
            flaws.push(self.unusable(key, "a string of the letters a to z"));
            return Vec::new();
        };
        let mut names = Vec::new();
        for letter in letters(&order) {
            let Some((key, name)) = recent.get_key_value(letter.encode_utf8(&mut [0; 4])) else { continue };
            match text(name) {
                Some(name) if !name.is_empty() => names.push(name),
                _ => flaws.push(self.unusable(key, "the name of a resource")),
            }
        }
        names
    }

    fn scan_save_connections(&self, flaws: &mut Vec<Flaw>) -> Option<bool> {
        let settings = self.table("settings", false, flaws).filter(|_| !self.damage.settings)?;
        let (key, value) = settings.get_key_value("SaveConnections")?;
        match text(value) {
            Some(text) if text.eq_ignore_ascii_case("yes") => Some(true),
            Some(text) if text.eq_ignore_ascii_case("no") => Some(false),
            _ => {
                flaws.push(self.unusable(key, "\"yes\" or \"no\""));
                None
            }
        }
    }

    fn unusable(&self, key: &Spanned<Cow<'a, str>>, expected: &str) -> Flaw {
        Flaw {
            line: Some(self.line(key.span().start)),
            what: format!("{} is not {expected}, and is skipped", key.get_ref()),
            remedy: "correct or remove it".to_owned(),
            malformed: false,
        }
    }

    fn table(&self, name: &str, malformed: bool, flaws: &mut Vec<Flaw>) -> Option<&DeTable<'a>> {
        let (key, value) = self.root.get_key_value(name)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => {
                flaws.push(Flaw {
                    line: Some(self.line(key.span().start)),
                    what: format!("{name} is not a table, and is skipped"),
                    remedy: "write it as a table, or remove it".to_owned(),
                    malformed,
                });
                None
            }
        }
    }

    fn line(&self, offset: usize) -> usize {
        let breaks = self.breaks.get_or_init(|| self.text.match_indices('\n').map(|(at, _)| at).collect());
        1 + breaks.partition_point(|at| *at < offset)
    }
}

/// Whether `bytes` could hold an entry of `device`: a look that spares taking a file apart for a drive that is
/// not in it, which is how most connects find it.
pub(super) fn may_hold(bytes: &[u8], device: &LocalDevice) -> bool {
    // Of a directory there are more spellings than one can look for.
    if let LocalDevice::Directory(_) = device {
        return true;
    }
    let name = device.to_string();
    bytes.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name.as_bytes()))
        // The escapes a letter can be written with, in case somebody did.
        || bytes.windows(2).any(|pair| matches!(pair, [b'\\', b'u' | b'U' | b'x']))
}

/// The device an entry is for. Canonical names are what is written; by hand one may write others.
pub(super) fn device_named(name: &str) -> Option<LocalDevice> {
    LocalDevice::parse(&name.encode_utf16().collect::<Vec<_>>())
}

/// The letters of an `Order` that mean something: each once.
pub(super) fn letters(order: &str) -> Vec<char> {
    let mut letters = Vec::new();
    for letter in order.chars().filter(char::is_ascii_lowercase) {
        if !letters.contains(&letter) {
            letters.push(letter);
        }
    }
    letters
}

/// A string that can be passed on to those who end strings with a NUL.
fn text(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) if !text.contains('\0') => Some(text.clone().into_owned()),
        _ => None,
    }
}

fn integer(value: &Spanned<DeValue<'_>>) -> Option<u32> {
    match value.get_ref() {
        DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    }
}

/// Whether taking `text` apart could need more stack than a caller's thread may have: tables within tables are
/// taken apart, and thrown away, by recursion. The parser's own limits allow thousands of levels.
fn is_nested_too_deeply(text: &str) -> bool {
    const HARMLESS: usize = 64;
    const MOST_BRACKETS: usize = 16;
    const MOST_DOTS: usize = 16;
    // Each level takes one of these, so few of them cannot be deep, wherever they stand.
    let levels = text.bytes().filter(|byte| matches!(byte, b'.' | b'[' | b'{')).count();
    if levels <= HARMLESS {
        return false;
    }
    let (mut brackets, mut dots) = (0_usize, 0_usize);
    for token in toml_parser::Source::new(text).lex() {
        match token.kind() {
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => brackets += 1,
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                brackets = brackets.saturating_sub(1)
            }
            TokenKind::Dot => dots += 1,
            TokenKind::Equals | TokenKind::Comma | TokenKind::Newline => dots = 0,
            _ => {}
        }
        if brackets > MOST_BRACKETS || dots > MOST_DOTS {
            return true;
        }
    }
    false
}

fn syntax_flaw(text: &str, error: &toml::de::Error) -> Flaw {
    Flaw::malformed(
        error.span().map(|span| line_of(text.as_bytes(), span.start)),
        format!("is not well-formed TOML: {}", error.message()),
        "correct it; until then what stands there is skipped and nothing can be changed",
    )
}

fn line_of(text: &[u8], offset: usize) -> usize {
    1 + text[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

/// What stands near a mistake in the syntax.
///
/// The parser goes on behind a mistake, but what it makes of the surroundings is a guess: a value may end
/// early, a key may be lost, the keys of a table whose header is broken may land in the table before. All of
/// that happens between the mistake and the last thing that was understood in the lines before it, so what is
/// not trusted is that thing, and everything from there to the end of the mistake.
#[derive(Default)]
struct Damage {
    /// Where the names of damaged entries begin.
    entries: HashSet<usize>,
    recent: bool,
    settings: bool,
}

/// What a place in the file belongs to.
#[derive(Clone, Copy)]
enum Part {
    Entry(usize),
    Recent,
    Settings,
    Other,
}

impl Damage {
    fn of(text: &str, root: &DeTable<'_>, errors: &[toml::de::Error]) -> Damage {
        let mut damage = Damage::default();
        if errors.is_empty() {
            return damage;
        }
        let mut places = Vec::new();
        for (key, value) in root {
            let part = match &**key.get_ref() {
                "drives" => {
                    if let DeValue::Table(drives) = value.get_ref() {
                        for (key, value) in drives {
                            place(&mut places, (key, value), Part::Entry(key.span().start), 0);
                        }
                    }
                    continue;
                }
                "recent" => Part::Recent,
                "settings" => Part::Settings,
                _ => Part::Other,
            };
            place(&mut places, (key, value), part, 0);
        }
        places.sort_unstable_by_key(|(start, _)| *start);
        for error in errors {
            // A mistake that is nowhere may be anywhere.
            let Range { start, end } = error.span().unwrap_or(0..usize::MAX);
            let line = text.as_bytes()[..start.min(text.len())].iter().rposition(|byte| *byte == b'\n');
            let line = line.unwrap_or(0);
            let first = places.partition_point(|(place, _)| *place <= line).saturating_sub(1);
            for (_, part) in places[first..].iter().take_while(|(place, _)| *place <= end) {
                match part {
                    Part::Entry(name) => _ = damage.entries.insert(*name),
                    Part::Recent => damage.recent = true,
                    Part::Settings => damage.settings = true,
                    Part::Other => {}
                }
            }
        }
        damage
    }
}

/// Notes where an item begins, and the items in it. Deeper than entries go it need not look.
fn place(places: &mut Vec<(usize, Part)>, (key, value): Item<'_, '_>, part: Part, depth: usize) {
    places.push((key.span().start, part));
    places.push((value.span().start, part));
    if let DeValue::Table(table) = value.get_ref()
        && depth < 3
    {
        for item in table {
            place(places, item, part, depth + 1);
        }
    }
}
