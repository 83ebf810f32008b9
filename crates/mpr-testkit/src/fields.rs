//! Contents of the structures that providers and notification libraries are called with.

use mpr_abi::HWND;
use mpr_plugin::{AddConnection, AddNotice, AuthBuffer, CancelConnection, CancelNotice, WideStr};
use std::fmt;

/// Every field of one structure, under its name in C: numbers as numbers (from 10 on in hexadecimal), strings in
/// quotes, and NULL as `NULL`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// The value of one field; `?` if the structure has none of that name.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| *known == name).map_or("?", |(_, value)| value)
    }

    /// `{lpLocalName="Z:", dwFlags=0}`: the fields of these names.
    #[must_use]
    pub fn show(&self, names: &[String]) -> String {
        let shown: Vec<String> = names.iter().map(|name| format!("{name}={}", self.value(name))).collect();
        format!("{{{}}}", shown.join(", "))
    }
}

/// All fields.
impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        write!(f, "{{{}}}", shown.join(", "))
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `NOTIFYADD`.
impl From<&AddNotice<'_>> for Fields {
    fn from(add: &AddNotice<'_>) -> Self {
        Fields(vec![
            ("hwndOwner", window(add.owner)),
            ("dwScope", number(add.scope)),
            ("dwType", number(add.kind)),
            ("dwDisplayType", number(add.display)),
            ("dwUsage", number(add.usage)),
            ("lpLocalName", text(add.local)),
            ("lpRemoteName", text(add.remote)),
            ("lpProvider", text(add.provider)),
            ("dwAddFlags", number(add.flags)),
        ])
    }
}

/// `NOTIFYCANCEL`.
impl From<&CancelNotice<'_>> for Fields {
    fn from(cancel: &CancelNotice<'_>) -> Self {
        Fields(vec![
            ("lpName", text(Some(cancel.name))),
            ("lpProvider", text(Some(cancel.provider))),
            ("dwFlags", number(cancel.flags)),
            ("fForce", number(cancel.force.into())),
        ])
    }
}

/// Arguments of `NPAddConnection3` or `4`.
impl From<&AddConnection<'_>> for Fields {
    fn from(add: &AddConnection<'_>) -> Self {
        let buffer = |part: fn(&AuthBuffer<'_>) -> String| add.auth.as_ref().map_or("NULL".to_owned(), part);
        Fields(vec![
            ("hwndOwner", window(add.owner)),
            ("dwType", number(add.kind)),
            ("lpLocalName", text(add.local)),
            ("lpRemoteName", text(Some(add.remote))),
            ("lpProvider", text(add.provider)),
            ("lpUserName", text(add.user)),
            ("lpPassword", text(add.password)),
            ("pAuthBuffer", buffer(|buffer| bytes(buffer.auth))),
            ("lpUseOptions", buffer(|buffer| bytes(buffer.use_options))),
            ("dwFlags", number(add.flags)),
        ])
    }
}

/// Arguments of `NPCancelConnection2`.
impl From<&CancelConnection<'_>> for Fields {
    fn from(cancel: &CancelConnection<'_>) -> Self {
        Fields(vec![
            ("lpName", text(Some(cancel.name))),
            ("fForce", number(cancel.force.into())),
            ("dwFlags", number(cancel.flags)),
        ])
    }
}

pub(crate) fn text(text: Option<&WideStr>) -> String {
    text.map_or("NULL".to_owned(), |text| format!("\"{}\"", text.to_string_lossy()))
}

pub(crate) fn number(number: u32) -> String {
    if number < 10 { number.to_string() } else { format!("{number:#x}") }
}

pub(crate) fn bytes(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("[{}]", bytes.join(" "))
}

fn window(owner: HWND) -> String {
    if owner.is_null() { "NULL".to_owned() } else { format!("{:#x}", owner.addr()) }
}
