//! Which rules need be looked at for a request.
//!
//! A rule is put where one of its conditions puts it: with the server it names, with its user, with its addresses.
//! For a request the lists that could hold it are walked through together, in the order of the rules. Who asks, and
//! what addresses a server has, is asked for when the first rule comes up that is about nothing cheaper.

use super::conditions::{Account, Conditions, Events, Identity, number};
use super::glob::Glob;
use super::{Event, Facts, Rule};
use smallvec::SmallVec;
use std::collections::HashMap;

/// Positions of rules, ascending.
type Positions = Vec<u32>;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Index {
    /// Rules about one server each.
    by_host: HashMap<Box<str>, Positions>,
    /// Rules about servers whose name ends so, or begins so.
    by_suffix: HashMap<Box<str>, Positions>,
    by_prefix: HashMap<Box<str>, Positions>,
    by_user: Accounts,
    by_group: Accounts,
    by_address: Networks,
    /// All others, and what is seen of them at a glance.
    others: Positions,
    screens: Vec<Screen>,
}

impl Index {
    pub(super) fn of(rules: &[Rule]) -> Self {
        let mut index = Index::default();
        for (at, rule) in (0..).zip(rules) {
            let conditions = &rule.conditions;
            let hosts: Option<Vec<&Glob>> = conditions.remote.iter().map(|pattern| pattern.host()).collect();
            let hosts = hosts.filter(|hosts| !hosts.is_empty() && hosts.iter().all(|host| host.is_simple()));
            if let Some(hosts) = hosts {
                for host in hosts {
                    let map = match (host.literal(), host.suffix()) {
                        (Some(literal), _) => index.by_host.entry(literal.into()),
                        (_, Some(suffix)) => index.by_suffix.entry(suffix.into()),
                        _ => index.by_prefix.entry(host.prefix().unwrap_or_default().into()),
                    };
                    add(map.or_default(), at);
                }
            } else if !index.by_user.take(&conditions.user, at)
                && !index.by_group.take(&conditions.group, at)
                && !index.by_address.take(conditions, at)
            {
                index.others.push(at);
                index.screens.push(Screen::of(conditions));
            }
        }
        index
    }

    /// The first rule, in order, for which `judge` has an answer.
    #[inline]
    pub(super) fn find<T>(&self, facts: &impl Facts, mut judge: impl FnMut(u32) -> Option<T>) -> Option<T> {
        let mut lists: SmallVec<[&[u32]; 8]> = SmallVec::new();
        let named = !(self.by_host.is_empty() && self.by_suffix.is_empty() && self.by_prefix.is_empty());
        let host = if named || !self.screens.is_empty() { facts.remote().host() } else { None };
        if let Some(host) = host.filter(|_| named) {
            lists.extend(self.by_host.get(host).map(Vec::as_slice));
            let ends = host.char_indices().map(|(at, _)| at).chain([host.len()]);
            for at in ends {
                lists.extend(self.by_suffix.get(&host[at..]).map(Vec::as_slice));
                lists.extend(self.by_prefix.get(&host[..at]).map(Vec::as_slice));
            }
        }
        let glance = host.and_then(Glance::at);
        let mut other = 0;
        let (mut users, mut groups) = (self.by_user.first(), self.by_group.first());
        // Names are looked up for connects alone.
        let mut addresses = self.by_address.first().filter(|_| facts.event() == Event::Add);
        loop {
            if let Some(glance) = &glance {
                while self.screens.get(other).is_some_and(|screen| !screen.passes(glance)) {
                    other += 1;
                }
            }
            let in_lists = lists.iter().filter_map(|list| list.first());
            let others = self.others.get(other);
            let next =
                in_lists.chain(others).chain(&users).chain(&groups).chain(&addresses).min().copied()?;
            if users == Some(next) {
                users = None;
                self.by_user.lists(Some(std::slice::from_ref(facts.user())), next, &mut lists);
            } else if groups == Some(next) {
                groups = None;
                self.by_group.lists(facts.groups(), next, &mut lists);
            } else if addresses == Some(next) {
                addresses = None;
                self.by_address.lists(facts, next, &mut lists);
            } else {
                if let Some(answer) = judge(next) {
                    return Some(answer);
                }
                other += usize::from(others == Some(&next));
                for list in &mut lists {
                    if list.first() == Some(&next) {
                        *list = &list[1..];
                    }
                }
            }
        }
    }
}

fn add(positions: &mut Positions, at: u32) {
    if positions.last() != Some(&at) {
        positions.push(at);
    }
}

/// What is left of a list from `at` on.
fn from(list: &[u32], at: u32) -> &[u32] {
    &list[list.partition_point(|position| *position < at)..]
}

/// Rules by the users, or groups, they name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Accounts {
    by_id: HashMap<u32, Positions>,
    by_name: HashMap<Box<str>, Positions>,
    all: Positions,
}

impl Accounts {
    /// Takes a rule in, if it names its accounts one by one.
    fn take(&mut self, accounts: &[Account], at: u32) -> bool {
        let named = |account: &Account| match account {
            Account::Id(_) => true,
            Account::Name(glob) => glob.literal().is_some(),
        };
        if accounts.is_empty() || !accounts.iter().all(named) {
            return false;
        }
        for account in accounts {
            match account {
                Account::Id(id) => add(self.by_id.entry(*id).or_default(), at),
                Account::Name(glob) => {
                    add(self.by_name.entry(glob.literal().unwrap_or_default().into()).or_default(), at);
                }
            }
        }
        self.all.push(at);
        true
    }

    fn first(&self) -> Option<u32> {
        self.all.first().copied()
    }

    /// The rules about one of these; all of them if it is not known who they are.
    fn lists<'i>(&'i self, who: Option<&[Identity]>, at: u32, lists: &mut SmallVec<[&'i [u32]; 8]>) {
        let known = |one: &Identity| {
            (one.id.is_some() || self.by_id.is_empty()) && (one.name.is_some() || self.by_name.is_empty())
        };
        match who {
            Some(who) if who.iter().all(known) => {
                for one in who {
                    let by_id = one.id.and_then(|id| self.by_id.get(&id));
                    let by_name = one.name.as_deref().and_then(|name| self.by_name.get(name));
                    lists.extend(by_id.into_iter().chain(by_name).map(|list| from(list, at)));
                }
            }
            _ => lists.push(from(&self.all, at)),
        }
    }
}

/// Rules about addresses and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Networks {
    /// By mask and what is left of an address under it.
    by_network: HashMap<(u128, u128), Positions>,
    masks: Vec<u128>,
    all: Positions,
}

impl Networks {
    fn take(&mut self, conditions: &Conditions, at: u32) -> bool {
        let nothing_else = Conditions {
            address: Vec::new(),
            // Written out: what is added to the conditions is added to this.
            ..conditions.clone()
        } == Conditions::default();
        if conditions.address.is_empty() || !nothing_else || conditions.events != Events::default() {
            return false;
        }
        for network in &conditions.address {
            if !self.masks.contains(&network.mask) {
                self.masks.push(network.mask);
            }
            add(self.by_network.entry((network.mask, network.base)).or_default(), at);
        }
        self.all.push(at);
        true
    }

    fn first(&self) -> Option<u32> {
        self.all.first().copied()
    }

    /// The rules about one of the server's addresses; all of them if those are not known.
    fn lists<'i>(&'i self, facts: &impl Facts, at: u32, lists: &mut SmallVec<[&'i [u32]; 8]>) {
        match facts.addresses() {
            Some(addresses) if !addresses.is_empty() => {
                for address in addresses.iter().map(|address| number(*address)) {
                    let found =
                        self.masks.iter().filter_map(|mask| self.by_network.get(&(*mask, address & mask)));
                    lists.extend(found.map(|list| from(list, at)));
                }
            }
            _ => lists.push(from(&self.all, at)),
        }
    }
}

/// The first and the last eight bytes of a server's name, as far as they are letters of the pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Screen {
    head: u64,
    head_mask: u64,
    tail: u64,
    tail_mask: u64,
}

/// The same of a name.
struct Glance {
    head: u64,
    tail: u64,
}

impl Screen {
    /// What can be told of a rule about one pattern. All others pass.
    fn of(conditions: &Conditions) -> Self {
        let [pattern] = &*conditions.remote else { return Screen::default() };
        let Some(letters) = pattern.host().map(Glob::letters).filter(|letters| letters.is_ascii()) else {
            return Screen::default();
        };
        let side = |letters: &mut dyn Iterator<Item = char>| {
            let (mut value, mut mask) = (0, 0);
            for (at, letter) in letters.take(8).take_while(|letter| *letter != '*').enumerate() {
                if letter != '?' {
                    value |= u64::from(letter as u32) << (8 * at);
                    mask |= 0xFF << (8 * at);
                }
            }
            (value, mask)
        };
        let (head, head_mask) = side(&mut letters.chars());
        let (tail, tail_mask) = side(&mut letters.chars().rev());
        Screen { head, head_mask, tail, tail_mask }
    }

    #[inline]
    fn passes(&self, glance: &Glance) -> bool {
        glance.head & self.head_mask == self.head && glance.tail & self.tail_mask == self.tail
    }
}

impl Glance {
    /// `None` where a character may be more than a byte, and positions tell nothing.
    fn at(host: &str) -> Option<Self> {
        if !host.is_ascii() {
            return None;
        }
        let side = |bytes: &mut dyn Iterator<Item = u8>| {
            bytes.take(8).enumerate().fold(0, |sum, (at, byte)| sum | u64::from(byte) << (8 * at))
        };
        Some(Glance { head: side(&mut host.bytes()), tail: side(&mut host.bytes().rev()) })
    }
}
