//! Names of which the kernel was told that there is nothing, and which a server may take for others.
//!
//! A server that does not tell upper from lower case has a file under every spelling of its name. What is made in one
//! of them is then there in the others, too, of which the kernel may believe for a while that they are free.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

/// How many are remembered. Of more the kernel is not to believe anything.
const MOST: usize = 16_384;

/// By directory and name, in whatever case.
type Names = HashMap<(u64, u64), Vec<Box<str>>>;

/// Those that may be believed still, each for a lifetime at least.
#[derive(Debug, Default)]
pub(super) struct Absent {
    young: Names,
    old: Names,
    turned: Option<Instant>,
}

impl Absent {
    /// Notes a name of which the kernel is about to be told. Says whether there was room.
    pub(super) fn note(&mut self, parent: u64, name: &str, now: Instant, lifetime: Duration) -> bool {
        if self.turned.is_none_or(|turned| now - turned >= lifetime) {
            self.old = std::mem::take(&mut self.young);
            self.turned = Some(now);
        }
        if self.young.len() >= MOST {
            return false;
        }
        let spelled = self.young.entry((parent, fold(name))).or_default();
        if !spelled.iter().any(|other| **other == *name) {
            spelled.push(name.into());
        }
        true
    }

    /// The other spellings of a name that is there now.
    pub(super) fn others(&mut self, parent: u64, name: &str) -> Vec<Box<str>> {
        let mut others = Vec::new();
        if !self.young.is_empty() || !self.old.is_empty() {
            let key = (parent, fold(name));
            let all = [&mut self.young, &mut self.old].map(|names| names.remove(&key));
            others.extend(all.into_iter().flatten().flatten());
            others.retain(|other| **other != *name);
        }
        others
    }
}

/// The same for all spellings of a name.
fn fold(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    let folded = name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    folded.for_each(|letter| letter.hash(&mut hasher));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(5);

    #[test]
    fn other_spellings_of_what_is_made_are_told_once_and_for_a_lifetime_at_least() {
        let mut absent = Absent::default();
        let begun = Instant::now();
        for name in ["name", "Name", "NAME", "\u{e9}", "other"] {
            assert!(absent.note(1, name, begun, LIFETIME));
        }
        assert_eq!(absent.others(2, "naME"), []);
        assert_eq!(absent.others(1, "\u{c9}"), ["\u{e9}".into()]);
        assert!(absent.note(1, "late", begun + LIFETIME, LIFETIME));
        assert_eq!(absent.others(1, "Name"), ["name".into(), "NAME".into()]);
        assert_eq!(absent.others(1, "Name"), []);
        assert!(absent.note(1, "later", begun + 2 * LIFETIME, LIFETIME));
        assert_eq!(absent.others(1, "Other"), []);
        assert_eq!(absent.others(1, "LATE"), ["late".into()]);
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut absent = Absent::default();
        let now = Instant::now();
        assert!((0..MOST).all(|number| absent.note(1, &number.to_string(), now, LIFETIME)));
        assert!(!absent.note(1, "one more", now, LIFETIME));
        assert!(absent.note(1, "one more", now + LIFETIME, LIFETIME));
    }
}
