//! Which names a server may take for one: those that differ in case, and short names it has made up.

use std::collections::HashSet;

/// The names in a directory, in whatever case.
#[derive(Debug, Default)]
pub(crate) struct Spellings {
    folded: HashSet<u64>,
    /// One of them may stand for another that is not listed.
    made_up: bool,
}

impl Spellings {
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Spellings {
        let mut spellings = Spellings::default();
        names.for_each(|name| spellings.add(name));
        spellings
    }

    pub(crate) fn add(&mut self, name: &str) {
        self.folded.insert(fold(name));
        self.made_up |= may_be_made_up(name);
    }

    /// Whether none of them can be meant by `name`. How names beyond ASCII are composed is the server's to know.
    pub(crate) fn lack(&self, name: &str) -> bool {
        name.is_ascii() && !self.made_up && !may_be_made_up(name) && !self.folded.contains(&fold(name))
    }
}

/// The same for an ASCII name and all that a server may take for it. What is beyond ASCII does not count.
fn fold(name: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut count = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    if name.is_ascii() {
        name.bytes().for_each(|byte| count(byte.to_ascii_lowercase()));
    } else {
        // Some letters beyond ASCII have their other case in it: the sign of Kelvin, the long s.
        let folded = name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        folded.filter(char::is_ascii).for_each(|letter| count(letter as u8));
    }
    hash
}

/// Whether a name has the form of those that servers make up for names that old clients cannot have: `LONGNA~1.TXT`.
/// Such a name opens a file that is listed by another, and Samba lists a file called `CON` by one.
fn may_be_made_up(name: &str) -> bool {
    let (base, extension) = name.split_once('.').unwrap_or((name, ""));
    let is_short = base.len() <= 8 && extension.len() <= 3 && !extension.contains('.');
    is_short && base.split_once('~').is_some_and(|(_, number)| !number.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_in_another_spelling_is_not_lacking() {
        let names = Spellings::of(["Readme", "Stra\u{df}e", "\u{212a}", "caf\u{e9}"].into_iter());
        for there in ["Readme", "README", "STRASSE", "stra\u{1e9e}e", "k", "K", "cafe\u{301}"] {
            assert!(!names.lack(there), "{there}");
        }
        assert!(names.lack("Readme.txt") && names.lack("kk"));
    }

    #[test]
    fn short_names_say_nothing_of_what_is_there() {
        let names = Spellings::of(["a long name", "backup~", "a.b~c"].into_iter());
        assert!(names.lack("other~") && names.lack("other.txt"));
        assert!(!names.lack("ALONGN~1") && !names.lack("OTHER~1.TXT"));
        let names = Spellings::of(["C8O7X~2", "b"].into_iter());
        assert!(!names.lack("con") && !names.lack("c"));
    }
}
