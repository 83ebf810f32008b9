//! `${VAR}` in paths, as `REG_EXPAND_SZ` has `%VAR%` (`spec/notification.md` DECISION 3).

use std::ffi::OsString;

/// Where the values of variables come from.
#[derive(Clone, Copy)]
pub struct Variables<'a> {
    /// Whether the environment is not to be trusted: then no variable is expanded.
    pub elevated: bool,
    /// The value of a variable, if it is set.
    pub lookup: &'a dyn Fn(&str) -> Option<OsString>,
}

impl std::fmt::Debug for Variables<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Variables").field("elevated", &self.elevated).finish_non_exhaustive()
    }
}

/// What became of a text with variables in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expansion {
    /// The text with values in the place of variables.
    Text(OsString),
    /// There is none; continues a sentence that begins with what the text belongs to.
    Refused { what: String, remedy: String },
}

impl Variables<'_> {
    /// Expands `text` once: what a value brings along is not looked at again. A `$` that is not followed by
    /// `{` stands for itself.
    pub(super) fn expand(&self, text: &str) -> Expansion {
        let mut expanded = OsString::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            expanded.push(before);
            let name = after.split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
            let Some(name) = name else {
                return Expansion::Refused {
                    what: "has \"${\" without the name of a variable and \"}\" behind it".into(),
                    remedy: "write it like ${HOME}".into(),
                };
            };
            if self.elevated {
                return Expansion::Refused {
                    what: format!(
                        "uses ${{{name}}}, and a process with elevated privileges expands no variables"
                    ),
                    remedy: "write the path in full".into(),
                };
            }
            let Some(value) = (self.lookup)(name) else {
                return Expansion::Refused {
                    what: format!("uses ${{{name}}}, which is not set"),
                    remedy: format!("set {name}, or write the path in full"),
                };
            };
            expanded.push(value);
            rest = &after[name.len() + 1..];
        }
        expanded.push(rest);
        Expansion::Text(expanded)
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.len() <= 255
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Expansion {
        let lookup = |name: &str| match name {
            "HOME" => Some("/home/u".into()),
            "TRICK" => Some("/${HOME}".into()),
            "EMPTY" => Some(OsString::new()),
            _ => None,
        };
        Variables { elevated: false, lookup: &lookup }.expand(text)
    }

    fn text(text: &str) -> Expansion {
        Expansion::Text(text.into())
    }

    #[test]
    fn variables_are_replaced_by_their_values() {
        assert_eq!(expand("${HOME}/x/${EMPTY}y"), text("/home/u/x/y"));
        assert_eq!(expand("/plain"), text("/plain"));
    }

    #[test]
    fn a_value_is_not_expanded_again() {
        assert_eq!(expand("${TRICK}"), text("/${HOME}"));
    }

    #[test]
    fn a_dollar_sign_alone_stands_for_itself() {
        assert_eq!(expand("/a$HOME/$/$$"), text("/a$HOME/$/$$"));
    }

    #[test]
    fn a_variable_that_is_not_set_is_refused() {
        assert_eq!(
            expand("/x/${NOPE}"),
            Expansion::Refused {
                what: "uses ${NOPE}, which is not set".into(),
                remedy: "set NOPE, or write the path in full".into()
            }
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for broken in ["${", "${}", "${HOME", "${A B}", "${9}", "x${${HOME}}"] {
            assert!(matches!(expand(broken), Expansion::Refused { .. }), "{broken}");
        }
    }
}
