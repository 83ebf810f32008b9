//! Words with wildcards: `*` for any characters, `?` for one.

/// A word with wildcards, made to be compared often. Whoever ignores case folds both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Shape);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Anything,
    Literal(Box<str>),
    /// `*` and a literal.
    Suffix(Box<str>),
    /// A literal and `*`.
    Prefix(Box<str>),
    Pattern(Box<[char]>),
}

impl Glob {
    /// Reads a pattern. Every text is one.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        let plain = |text: &str| !text.contains(['*', '?']);
        let trimmed = (pattern.strip_prefix('*'), pattern.strip_suffix('*'));
        Glob(match trimmed {
            _ if !pattern.is_empty() && pattern.bytes().all(|byte| byte == b'*') => Shape::Anything,
            _ if plain(pattern) => Shape::Literal(pattern.into()),
            (Some(suffix), _) if plain(suffix) => Shape::Suffix(suffix.into()),
            (_, Some(prefix)) if plain(prefix) => Shape::Prefix(prefix.into()),
            _ => Shape::Pattern(pattern.chars().collect()),
        })
    }

    /// The only word it stands for, if there is one alone.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match &self.0 {
            Shape::Literal(word) => Some(word),
            _ => None,
        }
    }

    /// What its words end with, if that is all there is to say of them.
    pub(super) fn suffix(&self) -> Option<&str> {
        match &self.0 {
            Shape::Suffix(suffix) => Some(suffix),
            _ => None,
        }
    }

    /// What its words begin with, if that is all there is to say of them.
    pub(super) fn prefix(&self) -> Option<&str> {
        match &self.0 {
            Shape::Prefix(prefix) => Some(prefix),
            _ => None,
        }
    }

    /// Whether it is one word, a beginning, or an end.
    pub(super) fn is_simple(&self) -> bool {
        !matches!(self.0, Shape::Anything | Shape::Pattern(_))
    }

    /// Its letters and wildcards.
    pub(super) fn letters(&self) -> String {
        match &self.0 {
            Shape::Anything => "*".to_owned(),
            Shape::Literal(literal) => literal.to_string(),
            Shape::Suffix(suffix) => format!("*{suffix}"),
            Shape::Prefix(prefix) => format!("{prefix}*"),
            Shape::Pattern(pattern) => pattern.iter().collect(),
        }
    }

    /// Whether it stands for every word.
    #[must_use]
    pub fn is_anything(&self) -> bool {
        self.0 == Shape::Anything
    }

    /// Whether it stands for `word`.
    #[inline]
    #[must_use]
    pub fn matches(&self, word: &str) -> bool {
        match &self.0 {
            Shape::Anything => true,
            Shape::Literal(literal) => **literal == *word,
            Shape::Suffix(suffix) => word.ends_with(&**suffix),
            Shape::Prefix(prefix) => word.starts_with(&**prefix),
            Shape::Pattern(pattern) => matches_pattern(pattern, word),
        }
    }
}

/// Tries the last `*` with one character more whenever the rest does not fit: no more steps than both lengths
/// multiplied, whatever they are.
fn matches_pattern(pattern: &[char], word: &str) -> bool {
    let mut at = 0;
    let mut rest = word.chars();
    // Behind the last star, and what was left of the word when it stood for nothing more.
    let mut star: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        match pattern.get(at) {
            Some('*') => {
                at += 1;
                star = Some((at, rest.clone()));
                continue;
            }
            Some(&wanted) => {
                let mut after = rest.clone();
                if after.next().is_some_and(|found| wanted == '?' || wanted == found) {
                    (at, rest) = (at + 1, after);
                    continue;
                }
            }
            None if rest.as_str().is_empty() => return true,
            None => {}
        }
        let Some((behind, left)) = &mut star else { return false };
        if left.next().is_none() {
            return false;
        }
        (at, rest) = (*behind, left.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_characters() {
        for (pattern, word) in [
            ("*", ""),
            ("**", "x"),
            ("nas", "nas"),
            ("nas*", "nas"),
            ("nas*", "nas-2"),
            ("*.example", "a.example"),
            ("n?s", "nüs"),
            ("n*s??", "nassau"),
            ("*a*b*", "xxaxxbxx"),
            ("a*b*c", "abbcbc"),
            ("", ""),
        ] {
            assert!(Glob::new(pattern).matches(word), "{pattern} {word}");
        }
        for (pattern, word) in [
            ("nas", "nass"),
            ("n?s", "ns"),
            ("?", ""),
            ("*.example", "example"),
            ("a*b*c", "abcb"),
            ("", "x"),
        ] {
            assert!(!Glob::new(pattern).matches(word), "{pattern} {word}");
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let pattern = Glob::new(&format!("{}b", "*a".repeat(120)));
        assert!(!pattern.matches(&"a".repeat(10_000)));
    }
}
