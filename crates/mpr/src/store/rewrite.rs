//! Changes to the text of a store's file that leave alone what they are not about (DECISION R6).
//!
//! Each function takes the text, what it says, and gives the new text, or `None` where the text already says
//! so. The new text is read back before it is handed out: it must say what was wanted and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mpr_core::device::LocalDevice;
use mpr_core::remote::same_resource;
use toml_edit::{DocumentMut, InlineTable, Item, RawString, Table, TableLike, Value};

use super::document::{Contents, Flaw, device_named, letters, parse};
use super::entry::Entry;

/// So many recent names are kept: one for each letter.
const MOST_RECENT: usize = 26;

pub(super) fn remember(text: &str, contents: &Contents, entry: &Entry) -> Result<Option<String>, Flaw> {
    let stored = entry.as_stored();
    let at = contents.entries.binary_search_by_key(&&stored.device, |entry| &entry.device);
    let mut wanted = contents.clone();
    match at {
        Ok(at) if contents.entries[at] == stored => return Ok(None),
        Ok(at) => wanted.entries[at] = stored.clone(),
        Err(at) => wanted.entries.insert(at, stored.clone()),
    }

    let mut document = document(text)?;
    let mut heading = Table::new();
    // Entries have headers of their own; a `[drives]` in front of them says nothing.
    heading.set_implicit(true);
    // A table with a header cannot stand within braces; there, one in braces can.
    let within_braces = document.get("drives").is_some_and(Item::is_inline_table);
    let new = if within_braces { Item::Value(InlineTable::new().into()) } else { Item::Table(Table::new()) };
    let drives = table(document.as_table_mut(), "drives", Item::Table(heading))?;
    let name = name_of(drives, &stored.device).unwrap_or_else(|| stored.device.to_string());
    let keys = table(drives, &name, new)?;
    set(keys, "RemotePath", stored.remote);
    match stored.user {
        Some(user) => set(keys, "UserName", user),
        // Emptied rather than removed, or a comment above it would go, too.
        None if keys.contains_key("UserName") => set(keys, "UserName", ""),
        None => {}
    }
    set(keys, "ProviderName", stored.provider);
    set(keys, "ProviderType", i64::from(stored.provider_type));
    set(keys, "ConnectionType", i64::from(stored.connection_type));
    if let Some(flags) = stored.defer_flags {
        set(keys, "DeferFlags", i64::from(flags));
    }
    match stored.use_options {
        Some(options) => set(keys, "UseOptions", BASE64.encode(options)),
        None if keys.contains_key("UseOptions") => set(keys, "UseOptions", ""),
        None => {}
    }
    written(text, &document, &wanted)
}

/// Comments within the entry go with it; those in front of it may be about more than it, and stay.
pub(super) fn forget(text: &str, contents: &Contents, device: &LocalDevice) -> Result<Option<String>, Flaw> {
    let mut wanted = contents.clone();
    match contents.entries.binary_search_by_key(&device, |entry| &entry.device) {
        Ok(at) => _ = wanted.entries.remove(at),
        Err(_) => return Ok(None),
    }

    let mut document = document(text)?;
    let heading = document.get("drives").and_then(Item::as_table).and_then(Table::position);
    let drives = table(document.as_table_mut(), "drives", Item::Table(Table::new()))?;
    let name = name_of(drives, device).unwrap_or_else(|| device.to_string());
    let mut kept = String::new();
    if let Some(key) = drives.key(&name) {
        keep(&mut kept, key.leaf_decor().prefix());
    }
    let removed = drives.remove(&name).unwrap_or_default();
    keep_comments_of(&removed, &mut kept);
    if kept.contains('#') {
        let position = removed.as_table().and_then(Table::position).or(heading);
        insert_comments(&mut document, position.unwrap_or(-1), kept);
    }
    written(text, &document, &wanted)
}

pub(super) fn add_recent(text: &str, contents: &Contents, remote: &str) -> Result<Option<String>, Flaw> {
    if contents.recent.first().is_some_and(|first| first == remote) {
        return Ok(None);
    }
    let wide = |name: &str| name.encode_utf16().collect::<Vec<_>>();
    let same = |name: &str| same_resource(&wide(name), &wide(remote));
    let mut wanted = contents.clone();
    wanted.recent.retain(|name| !same(name));
    wanted.recent.insert(0, remote.to_owned());
    wanted.recent.truncate(MOST_RECENT);

    let mut document = document(text)?;
    let recent = table(document.as_table_mut(), "recent", Item::Table(Table::new()))?;
    let order = match recent.get("Order") {
        None => "",
        Some(item) => item.as_str().ok_or_else(|| not_a_string("Order"))?,
    };
    let mut order = letters(order);
    let named = |recent: &dyn TableLike, letter: char| {
        recent.get(letter.encode_utf8(&mut [0; 4])).and_then(Item::as_str).map(str::to_owned)
    };
    // A letter that names nothing is as good as free, and a second name of the same resource makes way.
    order.retain(|&letter| named(recent, letter).is_some_and(|name| !name.is_empty() && !same(&name)));
    order.truncate(MOST_RECENT - 1);
    // What `Order` does not list may be somebody's note, so a letter nobody uses comes first.
    let free = || ('a'..='z').filter(|letter| !order.contains(letter));
    let letter = free()
        .find(|&letter| named(recent, letter).is_some_and(|name| same(&name)))
        .or_else(|| free().find(|letter| !recent.contains_key(letter.encode_utf8(&mut [0; 4]))))
        .or_else(|| free().find(|&letter| named(recent, letter).is_some()))
        .ok_or_else(|| not_a_string("a letter"))?;
    set(recent, letter.encode_utf8(&mut [0; 4]), remote);
    order.insert(0, letter);
    set(recent, "Order", String::from_iter(order));
    written(text, &document, &wanted)
}

pub(super) fn set_save_connections(
    text: &str,
    contents: &Contents,
    save: bool,
) -> Result<Option<String>, Flaw> {
    if contents.save_connections == Some(save) {
        return Ok(None);
    }
    let mut document = document(text)?;
    let settings = table(document.as_table_mut(), "settings", Item::Table(Table::new()))?;
    if settings.get("SaveConnections").is_some_and(|item| !item.is_str()) {
        return Err(not_a_string("SaveConnections"));
    }
    set(settings, "SaveConnections", if save { "yes" } else { "no" });
    written(text, &document, &Contents { save_connections: Some(save), ..contents.clone() })
}

fn document(text: &str) -> Result<DocumentMut, Flaw> {
    text.parse().map_err(|error: toml_edit::TomlError| {
        Flaw::malformed(None, format!("is not well-formed TOML: {}", error.message()), "correct it")
    })
}

/// The table `name` in `parent`, which gets `new` if there is none.
fn table<'t>(parent: &'t mut dyn TableLike, name: &str, new: Item) -> Result<&'t mut dyn TableLike, Flaw> {
    parent.entry(name).or_insert(new).as_table_like_mut().ok_or_else(|| {
        Flaw::malformed(None, format!("{name} is not a table"), "write it as a table, or remove it")
    })
}

/// How `device` is spelled among `drives`, if it is there.
fn name_of(drives: &dyn TableLike, device: &LocalDevice) -> Option<String> {
    let canonical = device.to_string();
    if drives.contains_key(&canonical) {
        return Some(canonical);
    }
    drives
        .iter()
        .map(|(name, _)| name)
        .find(|name| device_named(name).as_ref() == Some(device))
        .map(str::to_owned)
}

/// Makes `key` say `value`, in its place and with the comment behind it.
fn set(table: &mut dyn TableLike, key: &str, value: impl Into<Value>) {
    let mut value = on_one_line(value.into());
    match table.get_mut(key).and_then(Item::as_value_mut) {
        // Also the way it is written stays, if it says so already.
        Some(old) if old.as_str().is_some() && old.as_str() == value.as_str() => {}
        Some(old) if old.as_integer().is_some() && old.as_integer() == value.as_integer() => {}
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => _ = table.insert(key, Item::Value(value)),
    }
}

/// A string with line breaks would be written over several lines, whose ends are the file's and not its own.
fn on_one_line(value: Value) -> Value {
    let Some(text) = value.as_str().filter(|text| text.contains('\n')) else { return value };
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => quoted.push_str(&format!("\\U{:08X}", u32::from(character))),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted.parse().unwrap_or(value)
}

/// Collects the comments in front of `item` and of what lies in it under headers of its own.
fn keep_comments_of(item: &Item, kept: &mut String) {
    match item {
        Item::Table(table) => {
            if !table.is_dotted() {
                keep(kept, table.decor().prefix());
            }
            for (name, item) in table {
                if table.is_dotted()
                    && let Some(key) = table.key(name)
                {
                    keep(kept, key.leaf_decor().prefix());
                }
                if !item.is_value() {
                    keep_comments_of(item, kept);
                }
            }
        }
        Item::ArrayOfTables(tables) => {
            for table in tables {
                keep(kept, table.decor().prefix());
            }
        }
        // Within braces the comment behind an item counts as one behind its value.
        Item::Value(value) => keep(kept, value.decor().suffix()),
        Item::None => {}
    }
}

fn keep(kept: &mut String, decor: Option<&RawString>) {
    if let Some(decor) = decor.and_then(RawString::as_str) {
        kept.push_str(decor);
        if decor.contains('#') && !decor.ends_with('\n') {
            kept.push('\n');
        }
    }
}

/// Puts `comments` in front of the first table behind `position`, or at the end.
fn insert_comments(document: &mut DocumentMut, position: isize, mut comments: String) {
    let next = next_position(document.as_table(), position);
    if let Some(table) = next.and_then(|next| table_at(document.as_table_mut(), next)) {
        comments.push_str(table.decor().prefix().and_then(RawString::as_str).unwrap_or_default());
        table.decor_mut().set_prefix(comments);
    } else {
        comments.push_str(document.trailing().as_str().unwrap_or_default());
        document.set_trailing(comments);
    }
}

fn next_position(table: &Table, after: isize) -> Option<isize> {
    let below = |item: &Item| match item {
        Item::Table(table) => {
            let own = table.position().filter(|position| *position > after && !table.is_dotted());
            own.into_iter().chain(next_position(table, after)).min()
        }
        Item::ArrayOfTables(tables) => tables
            .iter()
            .filter_map(|table| {
                let own = table.position().filter(|position| *position > after);
                own.into_iter().chain(next_position(table, after)).min()
            })
            .min(),
        _ => None,
    };
    table.iter().filter_map(|(_, item)| below(item)).min()
}

fn table_at(table: &mut Table, position: isize) -> Option<&mut Table> {
    for (_, item) in table.iter_mut() {
        let tables: Vec<&mut Table> = match item {
            Item::Table(table) => vec![table],
            Item::ArrayOfTables(tables) => tables.iter_mut().collect(),
            _ => continue,
        };
        for table in tables {
            if table.position() == Some(position) && !table.is_dotted() {
                return Some(table);
            }
            if let Some(found) = table_at(table, position) {
                return Some(found);
            }
        }
    }
    None
}

/// The text of `document`, which was made from `old` and must say what is `wanted`.
fn written(old: &str, document: &DocumentMut, wanted: &Contents) -> Result<Option<String>, Flaw> {
    const BYTE_ORDER_MARK: char = '\u{feff}';
    let mut new = document.to_string();
    if !old.starts_with('\n') {
        new.drain(..new.len() - new.trim_start_matches('\n').len());
    }
    if old.contains("\r\n") && old.matches('\n').count() == old.matches("\r\n").count() {
        new = new.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    if old.starts_with(BYTE_ORDER_MARK) && !new.starts_with(BYTE_ORDER_MARK) {
        new.insert(0, BYTE_ORDER_MARK);
    }
    let said = parse(new.as_bytes());
    let as_wanted = said.entries == wanted.entries
        && said.recent == wanted.recent
        && said.save_connections == wanted.save_connections
        && !said.flaws.iter().any(|flaw| flaw.malformed);
    if as_wanted {
        return Ok(Some(new));
    }
    Err(Flaw::malformed(
        None,
        "is written in a way that cannot be changed without harm",
        "give every entry a header of its own ([drives.\"Z:\"]) and try again",
    ))
}

fn not_a_string(what: &str) -> Flaw {
    Flaw::malformed(None, format!("{what} is not a string"), "correct or remove it")
}
