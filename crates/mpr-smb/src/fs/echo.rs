//! What the server tells of what was done here. It tells all who watch, ourselves included; what was kept here need
//! not be given up for it.
//!
//! That a name was given, or taken, is passed over for a while if it was done here: servers tell it once or twice.
//! Once somebody else is seen to have done something with the name, nothing more is passed over. Changes of contents
//! are told as the server likes; while a file is being changed here they are passed over, and once that is over one
//! is passed on after all: somebody else's may have been among them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long after something was done the server may take to tell of it.
const DELAY: Duration = Duration::from_secs(5);
/// The most that is remembered. What is not is passed on as somebody else's, which costs only time.
const MOST: usize = 8192;

#[derive(Debug, Default)]
pub(super) struct Echoes {
    names: HashMap<String, Done>,
    contents: HashMap<String, (Instant, bool)>,
}

/// What was done with a name here of late.
#[derive(Debug, Clone, Copy)]
struct Done {
    given: bool,
    taken: bool,
    until: Instant,
}

impl Echoes {
    /// A name was given or taken here.
    pub(super) fn did_name(&mut self, path: &str, given: bool, now: Instant) {
        if self.names.len() >= MOST {
            self.names.retain(|_, done| done.until > now);
        }
        if self.names.len() < MOST {
            let nothing = Done { given: false, taken: false, until: now };
            let done = self.names.entry(path.to_owned()).or_insert(nothing);
            if done.until < now {
                *done = nothing;
            }
            done.given |= given;
            done.taken |= !given;
            done.until = now + DELAY;
        }
    }

    /// What a name stands for was changed here.
    pub(super) fn did_change(&mut self, path: &str, now: Instant) {
        if self.contents.len() >= MOST {
            self.contents.retain(|_, (until, told)| *told || *until > now);
        }
        if self.contents.len() < MOST {
            let own = self.contents.entry(path.to_owned()).or_insert((now, false));
            own.0 = now + DELAY;
        }
    }

    /// Whether somebody else has given or taken this name.
    pub(super) fn is_news_of_name(&mut self, path: &str, given: bool, now: Instant) -> bool {
        let done_here = self
            .names
            .get(path)
            .is_some_and(|done| done.until >= now && if given { done.given } else { done.taken });
        if !done_here {
            self.names.remove(path);
        }
        !done_here
    }

    /// Whether somebody else has changed what this name stands for, as far as can be said now.
    pub(super) fn is_news_of_contents(&mut self, path: &str, now: Instant) -> bool {
        match self.contents.get_mut(path) {
            Some((until, told)) if *until >= now => {
                *told = true;
                false
            }
            _ => true,
        }
    }

    /// When something is to be passed on after all.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.contents.values().filter(|(_, told)| *told).map(|(until, _)| *until).min()
    }

    /// What is to be passed on after all by now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<String> {
        self.contents.extract_if(|_, (until, told)| *told && *until < now).map(|(path, _)| path).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_here_is_passed_over_until_somebody_else_comes_in() {
        let now = Instant::now();
        let mut echoes = Echoes::default();
        echoes.did_name("a", true, now);
        assert!(!echoes.is_news_of_name("a", true, now));
        assert!(!echoes.is_news_of_name("a", true, now));
        assert!(echoes.is_news_of_name("b", true, now));
        // Taken by somebody else, and given again.
        assert!(echoes.is_news_of_name("a", false, now));
        assert!(echoes.is_news_of_name("a", true, now));
        echoes.did_name("a", true, now);
        echoes.did_name("a", false, now);
        assert!(!echoes.is_news_of_name("a", true, now));
        assert!(!echoes.is_news_of_name("a", false, now));
        assert!(echoes.is_news_of_name("a", true, now + 2 * DELAY));
    }

    #[test]
    fn changes_are_passed_on_once_it_is_quiet_here() {
        let now = Instant::now();
        let mut echoes = Echoes::default();
        echoes.did_change("a", now);
        echoes.did_change("b", now);
        assert_eq!(echoes.next_due(), None);
        assert!(!echoes.is_news_of_contents("a", now));
        assert!(echoes.is_news_of_contents("c", now));
        assert_eq!(echoes.next_due(), Some(now + DELAY));
        assert!(echoes.due(now).is_empty());
        assert_eq!(echoes.due(now + 2 * DELAY), ["a"]);
        assert_eq!(echoes.next_due(), None);
        assert!(echoes.is_news_of_contents("b", now + 2 * DELAY));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let now = Instant::now();
        let mut echoes = Echoes::default();
        for at in 0..2 * MOST {
            echoes.did_name(&at.to_string(), true, now);
            echoes.did_change(&at.to_string(), now);
        }
        assert!(echoes.names.len() <= MOST && echoes.contents.len() <= MOST);
        echoes.did_name("new", true, now + 2 * DELAY);
        assert_eq!(echoes.names.len(), 1);
    }
}
