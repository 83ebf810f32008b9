//! Which of several providers can own a name, by what is declared of them (`docs/administrators.md`).
//!
//! To ask a provider costs time, perhaps a look at a network, and it is given user and password with the question.
//! One of which it is known what its names look like need not be asked for others, and where one is known to have
//! this very name, it is asked first.

use crate::policy::{Glob, Name, canonical_scheme};

/// What is declared of a provider's names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    schemes: Vec<String>,
    hosts: Vec<Glob>,
    prefixes: Vec<String>,
}

/// What the declarations say of a provider and a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The name is one of those by its beginning or its server: asked before others.
    Narrow,
    /// It may be, by its scheme.
    Broad,
    /// Nothing is declared, or the name cannot be understood.
    Open,
    /// It is none of those.
    Foreign,
}

impl Claims {
    /// Names of these schemes (`unc` and `smb` are one), on servers of these names, and names that begin so.
    #[must_use]
    pub fn new(schemes: &[String], hosts: &[String], prefixes: &[String]) -> Self {
        Claims {
            schemes: schemes.iter().map(|scheme| canonical_scheme(scheme)).collect(),
            hosts: hosts.iter().map(|host| Glob::new(&host.to_lowercase())).collect(),
            prefixes: prefixes.iter().map(|prefix| folded(prefix)).collect(),
        }
    }

    /// Whether nothing is declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.schemes.is_empty() && self.hosts.is_empty() && self.prefixes.is_empty()
    }

    /// Whether all that is declared is the scheme of UNC names.
    #[must_use]
    pub fn is_of_every_unc_name(&self) -> bool {
        self.hosts.is_empty() && self.prefixes.is_empty() && self.schemes.iter().any(|scheme| scheme == "unc")
    }

    /// What is declared about a name.
    #[must_use]
    pub fn about(&self, name: &AskedFor) -> Claim {
        if self.is_empty() {
            return Claim::Open;
        }
        if self.prefixes.iter().any(|prefix| name.folded.starts_with(&**prefix)) {
            return Claim::Narrow;
        }
        if self.schemes.is_empty() && self.hosts.is_empty() {
            return Claim::Foreign;
        }
        if name.name.is_unclear() {
            return Claim::Open;
        }
        let scheme = name.name.scheme().is_some_and(|its| self.schemes.iter().any(|scheme| scheme == its));
        let host = name.name.host().is_some_and(|its| self.hosts.iter().any(|host| host.matches(its)));
        match (self.schemes.is_empty() || scheme, self.hosts.is_empty()) {
            (true, false) if host => Claim::Narrow,
            (true, true) => Claim::Broad,
            _ => Claim::Foreign,
        }
    }
}

/// A name that is looked for.
#[derive(Debug)]
pub struct AskedFor {
    name: Name,
    folded: String,
}

impl AskedFor {
    /// A name as it is handed to providers.
    #[must_use]
    pub fn new(name: &str) -> Self {
        AskedFor { name: Name::new(name), folded: folded(name) }
    }
}

/// Slashes at the beginning are those of UNC names.
fn folded(name: &str) -> String {
    let folded = name.to_lowercase();
    if folded.starts_with("//") { folded.replace('/', "\\") } else { folded }
}

/// Who is asked for a name, a bit each: first those of `first`, then those of `then`, both in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Those that are known to have the name.
    pub first: u64,
    /// Those that may have it.
    pub then: u64,
}

impl Order {
    /// How many providers an order can be about.
    pub const MOST: usize = 64;

    /// The order of providers of which this is declared. `None`: all of them, in their own order. That holds also
    /// where nobody would be left to ask, so that a name nobody wants is refused as it always was.
    #[must_use]
    pub fn of(claims: impl ExactSizeIterator<Item = Claim>) -> Option<Self> {
        let count = claims.len();
        if count > Order::MOST {
            return None;
        }
        let mut order = Order { first: 0, then: 0 };
        for (at, claim) in claims.enumerate() {
            match claim {
                Claim::Narrow => order.first |= 1 << at,
                Claim::Broad | Claim::Open => order.then |= 1 << at,
                Claim::Foreign => {}
            }
        }
        let asked = (order.first | order.then).count_ones() as usize;
        let in_order =
            order.then == 0 || order.first == 0 || order.first.ilog2() < order.then.trailing_zeros();
        if asked == 0 || asked == count && in_order { None } else { Some(order) }
    }
}

/// The positions of those that are asked.
impl Iterator for Order {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let bits = if self.first == 0 { &mut self.then } else { &mut self.first };
        let at = bits.trailing_zeros() as usize;
        *bits &= bits.wrapping_sub(1);
        (at < Order::MOST).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(schemes: &[&str], hosts: &[&str], prefixes: &[&str]) -> Claims {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        Claims::new(&owned(schemes), &owned(hosts), &owned(prefixes))
    }

    fn about(claims: &Claims, name: &str) -> Claim {
        claims.about(&AskedFor::new(name))
    }

    #[test]
    fn a_scheme_is_a_broad_claim_and_a_server_or_a_beginning_a_narrow_one() {
        let smb = claims(&["SMB"], &[], &[]);
        assert_eq!(about(&smb, r"\\nas\x"), Claim::Broad);
        assert_eq!(about(&smb, "https://nas/x"), Claim::Foreign);
        let dav = claims(&["https"], &["*.example"], &[]);
        assert_eq!(about(&dav, "https://a.Example:8443/x"), Claim::Narrow);
        assert_eq!(about(&dav, r"\\a.example\x"), Claim::Foreign);
        assert_eq!(about(&dav, "https://other/x"), Claim::Foreign);
        let host = claims(&[], &["wonderland"], &[]);
        assert_eq!(about(&host, r"\\WONDERLAND\x"), Claim::Narrow);
        let beginning = claims(&[], &[], &["Example:", "//odd/"]);
        assert_eq!(about(&beginning, "EXAMPLE:7"), Claim::Narrow);
        assert_eq!(about(&beginning, r"\\odd\x"), Claim::Narrow);
        assert_eq!(about(&beginning, r"\\odder\x"), Claim::Foreign);
    }

    #[test]
    fn what_declares_nothing_may_have_every_name_and_so_may_anybody_one_that_is_not_understood() {
        assert_eq!(about(&Claims::default(), "anything"), Claim::Open);
        assert_eq!(about(&claims(&["unc"], &[], &[]), r"\\a\..\b"), Claim::Open);
    }

    fn order(claims: &[Claim]) -> Option<Vec<usize>> {
        Order::of(claims.iter().copied()).map(Iterator::collect)
    }

    #[test]
    fn who_is_known_to_have_the_name_comes_first_and_who_has_not_is_left_out() {
        use Claim::{Broad, Foreign, Narrow, Open};
        assert_eq!(order(&[Broad, Open, Narrow]), Some(vec![2, 0, 1]));
        assert_eq!(order(&[Foreign, Open, Broad]), Some(vec![1, 2]));
        assert_eq!(order(&[Foreign, Narrow]), Some(vec![1]));
    }

    #[test]
    fn nothing_changes_where_nothing_is_known_or_nobody_would_be_left() {
        use Claim::{Broad, Foreign, Narrow, Open};
        assert_eq!(order(&[]), None);
        assert_eq!(order(&[Open, Open]), None);
        assert_eq!(order(&[Narrow, Narrow, Open, Broad]), None);
        assert_eq!(order(&[Foreign, Foreign]), None);
        assert_eq!(order(&[Foreign; 65]), None);
        assert_eq!(order(&[Narrow; 64]), None);
    }
}
