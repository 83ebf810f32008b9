//! The drop-in files by which notification libraries and providers are registered (`DESIGN.md`,
//! Configuration): where they are, what is in force, and how they are changed.
//!
//! A file of a later directory replaces the one of the same stem of an earlier directory. So nothing of the
//! system's is ever changed on behalf of a user: an entry is masked, or copied and then changed.

mod document;

pub(crate) use document::{Document, is_new};

use crate::failure::Failure;
use crate::output::{Output, clean};
use mpr_helper::dirs;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use toml_edit::value;

/// `O_NONBLOCK`: a FIFO in the place of a file must not make anybody wait.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// What is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Notifyees,
    Providers,
}

impl Family {
    /// Name of the drop-in directory.
    pub(crate) fn directory(self) -> &'static str {
        match self {
            Family::Notifyees => "notifyees.d",
            Family::Providers => "providers.d",
        }
    }

    pub(crate) fn noun(self) -> &'static str {
        match self {
            Family::Notifyees => "notification library",
            Family::Providers => "provider",
        }
    }

    /// The command that manages it.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Family::Notifyees => "mpr notifyee",
            Family::Providers => "mpr provider",
        }
    }
}

/// Whose configuration is changed.
#[derive(clap::Args, Debug, Clone, Copy, Default)]
#[group(multiple = false)]
pub(crate) struct Level {
    /// Change the configuration of the system (the default for root)
    #[arg(long)]
    system: bool,
    /// Change your own configuration (the default for everybody else)
    #[arg(long)]
    user: bool,
}

impl Level {
    /// The configuration directory that is changed.
    pub(crate) fn directory(self) -> Result<PathBuf, Failure> {
        let system = self.system || !self.user && dirs::effective_uid() == 0;
        Directories::now().of(system)
    }
}

/// The configuration directories, and which of them can be changed.
#[derive(Debug)]
struct Directories {
    system: Option<PathBuf>,
    user: Option<PathBuf>,
}

impl Directories {
    fn now() -> Directories {
        let listed = dirs::config_dirs();
        let of_environment =
            !dirs::is_elevated() && std::env::var_os("MPR_CONFIG_DIRS").is_some_and(|v| !v.is_empty());
        Directories::of_list(&listed, of_environment)
    }

    /// In the list of `$MPR_CONFIG_DIRS` the last one is the user's and the one before it the system's, as in the
    /// usual list; one alone is both. The usual list has no user's directory for one who has no home.
    fn of_list(listed: &[PathBuf], of_environment: bool) -> Directories {
        match listed {
            [only] => Directories { system: Some(only.clone()), user: Some(only.clone()) },
            [.., system, user] if of_environment || listed.len() > 2 => {
                Directories { system: Some(system.clone()), user: Some(user.clone()) }
            }
            [.., system] => Directories { system: Some(system.clone()), user: None },
            [] => Directories { system: None, user: None },
        }
    }

    fn of(self, system: bool) -> Result<PathBuf, Failure> {
        let (directory, whose) = if system { (self.system, "the system") } else { (self.user, "this user") };
        directory.ok_or_else(|| {
            Failure::other(
                format!("there is no configuration directory of {whose}"),
                "set HOME, XDG_CONFIG_HOME or MPR_CONFIG_DIRS",
            )
        })
    }
}

/// One registration: every file of its stem, weakest first. The last one counts.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) stem: String,
    pub(crate) files: Vec<PathBuf>,
    /// Whether the file that counts says `enabled = false`.
    pub(crate) masked: bool,
}

impl Registered {
    /// The file that counts.
    pub(crate) fn file(&self) -> &Path {
        self.files.last().expect("a registration is found by a file")
    }

    /// The file in this directory, if there is one.
    fn file_in(&self, directory: &Path) -> Option<&Path> {
        self.files.iter().map(PathBuf::as_path).find(|file| file.parent() == Some(directory))
    }
}

/// Every registration there is a file for, by stem, in force or not.
pub(crate) fn registered(family: Family) -> Vec<Registered> {
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for directory in dirs::config_dirs() {
        let Ok(entries) = fs::read_dir(directory.join(family.directory())) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".toml"));
            if let Some(stem) = stem.filter(|stem| !stem.starts_with('.')) {
                found.entry(stem.to_owned()).or_default().push(entry.path());
            }
        }
    }
    let registered = found.into_iter().map(|(stem, files)| {
        let masked =
            files.last().is_some_and(|file| Document::read(file).is_ok_and(|document| document.is_masked()));
        Registered { stem, files, masked }
    });
    registered.collect()
}

/// The registration of this name.
pub(crate) fn named(family: Family, stem: &str) -> Option<Registered> {
    registered(family).into_iter().find(|one| one.stem == stem)
}

/// The registration of this name, or an error that says which there are.
pub(crate) fn existing(family: Family, stem: &str) -> Result<Registered, Failure> {
    named(family, stem).ok_or_else(|| {
        Failure::other(
            format!("no {} is registered as '{}'", family.noun(), clean(stem)),
            format!("see what is registered: {} list", family.command()),
        )
    })
}

/// Names a file can have on every system, and that need no quotes anywhere.
pub(crate) fn check_stem(stem: &str) -> Result<(), Failure> {
    let good = |c: char| c.is_alphanumeric() || "._-+@ ".contains(c);
    if stem.is_empty() || stem.starts_with('.') || stem.len() > 200 || !stem.chars().all(good) {
        return Err(Failure::Usage(format!(
            "'{}' cannot be the name of a registration: it becomes the name of a file; use letters, digits, \
             and . _ - + @",
            clean(stem)
        )));
    }
    Ok(())
}

/// Writes a new registration, or takes a masked one of the same file back into use with `fill`.
pub(crate) fn add(
    family: Family,
    stem: &str,
    level: Level,
    replace: bool,
    output: &Output,
    fill: impl FnOnce(&mut Document),
) -> Result<(), Failure> {
    check_stem(stem)?;
    let file = level.directory()?.join(family.directory()).join(format!("{stem}.toml"));
    let mut document = if is_new(&file) { Document::empty(&file) } else { Document::read(&file)? };
    if !is_new(&file) && !document.is_masked() && !replace {
        return Err(Failure::other(
            format!("{} is there already", file.display()),
            format!(
                "choose another name, remove it first ({} remove {stem}), or use --replace",
                family.command()
            ),
        ));
    }
    document.unmask();
    fill(&mut document);
    document.save()?;
    output.result(
        &json!({ "added": stem, "file": file }),
        format_args!(
            "{} is registered in {}; it counts for programs started from now on",
            stem,
            file.display()
        ),
    )
}

/// Takes a registration out of force: its file goes, or where it is another level's, a file that masks it comes.
pub(crate) fn remove(family: Family, stem: &str, level: Level, output: &Output) -> Result<(), Failure> {
    let directory = level.directory()?.join(family.directory());
    let registered = existing(family, stem)?;
    let own = registered.file_in(&directory);
    let earlier = registered.files.iter().take_while(|file| file.parent() != Some(&directory));
    let file = directory.join(format!("{stem}.toml"));
    // A file of an earlier directory would come into force when ours goes.
    let masks = match own {
        Some(_) => earlier.count() > 0,
        None => true,
    };
    if masks {
        let mut document = if is_new(&file) { Document::empty(&file) } else { Document::read(&file)? };
        if is_new(&file) {
            document.comment(&format!("Masks {}", registered.file().display()));
        }
        document.set("enabled", value(false));
        document.save()?;
    } else {
        document::remove(&file)?;
    }
    if let Some(later) = named(family, stem).filter(|one| !one.masked) {
        output.warn(format_args!("{stem} is still registered in {}", later.file().display()));
    }
    let text = match masks {
        true => format!("{stem} is masked by {}", file.display()),
        false => format!("{} is removed", file.display()),
    };
    output.result(&json!({ "removed": stem, "file": file, "masked": masks }), text)
}

/// Takes a mask away.
pub(crate) fn enable(family: Family, stem: &str, level: Level, output: &Output) -> Result<(), Failure> {
    let directory = level.directory()?.join(family.directory());
    let registered = existing(family, stem)?;
    let Some(file) = registered.file_in(&directory).filter(|_| registered.masked) else {
        let what = match registered.masked {
            true => {
                format!("{stem} is masked by {}, which is not of this level", registered.file().display())
            }
            false => format!("{stem} is not masked; it is registered in {}", registered.file().display()),
        };
        return Err(Failure::other(what, format!("see what is registered: {} list", family.command())));
    };
    let mut document = Document::read(file)?;
    document.unmask();
    // A file that did nothing but mask has done its work.
    if document.says_nothing() {
        document::remove(file)?;
    } else {
        document.save()?;
    }
    let now = existing(family, stem)?;
    output.result(
        &json!({ "enabled": stem, "file": now.file() }),
        format_args!("{stem} is registered in {}", now.file().display()),
    )
}

/// Gives the named registrations priorities that put them first, in this order. Those that are not named keep
/// theirs.
pub(crate) fn put_first(
    family: Family,
    stems: &[String],
    others: &[i64],
    level: Level,
    output: &Output,
) -> Result<(), Failure> {
    const STEP: i64 = 10;
    let directory = level.directory()?.join(family.directory());
    // All are looked at before the first is changed.
    let registered = stems.iter().map(|stem| existing(family, stem)).collect::<Result<Vec<_>, _>>()?;
    let behind = others.iter().copied().min().unwrap_or(STEP * (stems.len() as i64 + 1));
    let first = behind.saturating_sub(STEP * stems.len() as i64);
    for (place, one) in registered.iter().enumerate() {
        let file = directory.join(format!("{}.toml", one.stem));
        let mut document = Document::read(one.file())?;
        if one.file() != file {
            if one.files.iter().position(|known| *known == file).is_some() {
                return Err(Failure::other(
                    format!("{} comes after {}, and would still count", one.file().display(), file.display()),
                    "change the order at the level of the file that counts",
                ));
            }
            output.note(format_args!(
                "{} is copied to {}, which now counts",
                one.file().display(),
                file.display()
            ));
            document.move_to(&file);
        }
        document.set("priority", value(first + STEP * place as i64));
        document.save()?;
    }
    Ok(())
}

/// A path as it can stand in a configuration file: absolute, and text.
pub(crate) fn absolute(path: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(path).ok().and_then(|path| path.into_os_string().into_string().ok());
    absolute
        .ok_or_else(|| Failure::Usage(format!("'{}' cannot stand in a configuration file", path.display())))
}

/// Why something optional is not loaded.
pub(crate) const IN_SAFE_MODE: &str = "it is optional, and left out in safe mode";

/// What a file is pinned to: the contents it has now.
pub(crate) fn pin(file: &str) -> Result<String, Failure> {
    let opened = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(file);
    let read = opened.and_then(|opened| match opened.metadata()?.is_file() {
        true => mpr::Pin::of_file(&opened),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    });
    read.map(|pin| pin.to_string()).map_err(|error| {
        Failure::other(
            format!("cannot read {}: {error}", clean(file)),
            "correct the path, or install the file",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(listed: &[&str], of_environment: bool) -> (Option<PathBuf>, Option<PathBuf>) {
        let listed: Vec<PathBuf> = listed.iter().map(PathBuf::from).collect();
        let Directories { system, user } = Directories::of_list(&listed, of_environment);
        (system, user)
    }

    #[test]
    fn the_last_directory_is_the_users_and_the_one_before_it_the_systems() {
        let some = |path: &str| Some(PathBuf::from(path));
        assert_eq!(
            of(&["/usr/share/mpr", "/etc/mpr", "/h/.config/mpr"], false),
            (some("/etc/mpr"), some("/h/.config/mpr"))
        );
        assert_eq!(of(&["/usr/share/mpr", "/etc/mpr"], false), (some("/etc/mpr"), None));
        assert_eq!(of(&["/a", "/b"], true), (some("/a"), some("/b")));
        assert_eq!(of(&["/a"], true), (some("/a"), some("/a")));
        assert_eq!(of(&[], true), (None, None));
    }

    #[test]
    fn a_name_that_leads_out_of_the_directory_is_refused() {
        for wrong in ["", "../x", "a/b", ".hidden", "a\nb"] {
            assert!(check_stem(wrong).is_err(), "{wrong:?}");
        }
        for right in ["audit", "10-vpn", "Größe", "a.b"] {
            assert!(check_stem(right).is_ok(), "{right:?}");
        }
    }
}
