//! A configuration file that is edited: comments, order and unknown keys stay, and whoever reads sees the old
//! text or the new one, never half of it.

use crate::failure::Failure;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, Item};

/// Biggest file the router reads.
const BIGGEST: u64 = 1 << 20;
/// `O_NONBLOCK`: a FIFO in the place of a file must not make anybody wait.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// A configuration file being edited.
#[derive(Debug)]
pub(crate) struct Document {
    file: PathBuf,
    text: DocumentMut,
}

/// Whether there is no such file yet.
pub(crate) fn is_new(file: &Path) -> bool {
    file.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

impl Document {
    /// A file yet to be written.
    pub(crate) fn empty(file: &Path) -> Document {
        Document { file: file.to_owned(), text: DocumentMut::new() }
    }

    /// The file as it is.
    pub(crate) fn read(file: &Path) -> Result<Document, Failure> {
        let failed = |error: &dyn std::fmt::Display, remedy: &str| {
            Failure::other(format!("cannot read {}: {error}", file.display()), remedy)
        };
        let opened = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(file);
        let opened =
            opened.map_err(|error| failed(&error, "look at the mode of the file and its directories"))?;
        if !opened.metadata().is_ok_and(|meta| meta.is_file()) {
            return Err(failed(&"it is not a regular file", "remove it, or put a file there"));
        }
        let mut text = String::new();
        let length = opened.take(BIGGEST + 1).read_to_string(&mut text);
        let length = length.map_err(|error| failed(&error, "save it as UTF-8 text, or remove it"))?;
        if length as u64 > BIGGEST {
            return Err(failed(&"it is larger than 1 MiB", "is this the file that is meant?"));
        }
        let text = text.parse().map_err(|error: toml_edit::TomlError| {
            let first = error.to_string();
            failed(&first.lines().next().unwrap_or_default(), "correct the line, or remove the file")
        })?;
        Ok(Document { file: file.to_owned(), text })
    }

    /// The same text, to become another file.
    pub(crate) fn move_to(&mut self, file: &Path) {
        file.clone_into(&mut self.file);
    }

    pub(crate) fn is_masked(&self) -> bool {
        self.text.get("enabled").and_then(Item::as_bool) == Some(false)
    }

    pub(crate) fn unmask(&mut self) {
        if self.is_masked() {
            self.text.remove("enabled");
        }
    }

    /// Whether nothing is set in it.
    pub(crate) fn says_nothing(&self) -> bool {
        self.text.is_empty()
    }

    /// Puts a comment at the top of an empty file.
    pub(crate) fn comment(&mut self, comment: &str) {
        self.text.set_trailing(format!("# {}\n", comment.replace('\n', " ")));
    }

    /// Sets a key. Where it was set before, what surrounds the value stays.
    pub(crate) fn set(&mut self, key: &str, item: Item) {
        let (Some(old), Item::Value(new)) = (self.text.get(key).and_then(Item::as_value), &item) else {
            if self.text.is_empty() {
                // What stands in an empty file is a comment on what comes, not on what has been.
                let heading = self.text.trailing().as_str().unwrap_or_default().to_owned();
                self.text.set_trailing("");
                self.text.insert(key, item);
                if let Some(mut key) = self.text.key_mut(key) {
                    key.leaf_decor_mut().set_prefix(heading);
                }
            } else {
                self.text.insert(key, item);
            }
            return;
        };
        let mut new = new.clone();
        *new.decor_mut() = old.decor().clone();
        self.text[key] = Item::Value(new);
    }

    /// Takes a key away.
    pub(crate) fn unset(&mut self, key: &str) {
        self.text.remove(key);
    }

    /// Writes it in one step: a temporary file beside it, then a rename.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        // A link is kept, and what it leads to is changed.
        let file = self.file.canonicalize().unwrap_or_else(|_| self.file.clone());
        write(&file, self.text.to_string().as_bytes()).map_err(|error| {
            Failure::other(
                format!("cannot write {}: {error}", file.display()),
                match error.kind() {
                    io::ErrorKind::PermissionDenied => {
                        "use --user to change your own configuration, or become root"
                    }
                    _ => "look at the directory and at the space left on its file system",
                },
            )
        })
    }
}

fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
    let mode = file.metadata().map_or(0o644, |meta| meta.mode() & 0o7777);
    let name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    // Hidden and without `.toml`: the router does not take it for an entry.
    let fresh = directory.join(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
    let written = (|| {
        let mut out = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&fresh, file)?;
        File::open(directory)?.sync_all()
    })();
    if written.is_err() {
        _ = fs::remove_file(&fresh);
    }
    written
}

/// Removes a file.
pub(crate) fn remove(file: &Path) -> Result<(), Failure> {
    fs::remove_file(file).map_err(|error| {
        Failure::other(
            format!("cannot remove {}: {error}", file.display()),
            "become root, or mask it with --user",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml_edit::value;

    fn edited(text: &str, edit: impl FnOnce(&mut Document)) -> String {
        let mut document = Document { file: PathBuf::new(), text: text.parse().unwrap() };
        edit(&mut document);
        document.text.to_string()
    }

    #[test]
    fn comments_around_a_changed_key_stay() {
        let text = "# why\npath = \"/x\" # where\npriority = 3 # third\n\n# end\n";
        let changed = edited(text, |document| document.set("priority", value(5)));
        assert_eq!(changed, "# why\npath = \"/x\" # where\npriority = 5 # third\n\n# end\n");
    }

    #[test]
    fn a_mask_comes_and_goes() {
        let text = "# why\npath = \"/x\"\n";
        let masked = edited(text, |document| document.set("enabled", value(false)));
        assert_eq!(masked, "# why\npath = \"/x\"\nenabled = false\n");
        assert_eq!(edited(&masked, Document::unmask), text);
    }

    #[test]
    fn a_comment_stands_above_what_it_is_about() {
        let text = edited("", |document| {
            document.comment("Masks /etc/x");
            document.set("enabled", value(false));
        });
        assert_eq!(text, "# Masks /etc/x\nenabled = false\n");
    }
}
