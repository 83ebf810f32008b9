//! What a rule asks about a request, and whether it is so.

use super::glob::Glob;
use super::name::NamePattern;
use super::{Choice, Event, Facts};
use std::net::IpAddr;

/// The conditions of a rule. All of those that are set must hold; of a list, one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// What kind of operation.
    pub events: Events,
    /// The resource.
    pub remote: Vec<NamePattern>,
    /// The local device, folded; an empty pattern stands for none.
    pub local: Vec<Glob>,
    /// The provider's name, folded.
    pub provider: Vec<Glob>,
    /// Flags of the request.
    pub flags: Flags,
    /// Days of the week.
    pub days: Days,
    /// Times of the day.
    pub hours: Vec<Hours>,
    /// Who asks.
    pub user: Vec<Account>,
    /// A group of who asks.
    pub group: Vec<Account>,
    /// Addresses of the server.
    pub address: Vec<Network>,
    /// Whether there is a condition that could not be read.
    pub unreadable: bool,
}

/// Kinds of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Events {
    /// Connects.
    pub add: bool,
    /// Disconnects.
    pub cancel: bool,
}

/// Connects alone: whoever is not to connect is still to disconnect.
impl Default for Events {
    fn default() -> Self {
        Events { add: true, cancel: false }
    }
}

/// Flags that are to be set, and flags that are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// All of these are set.
    pub set: u32,
    /// None of these is.
    pub clear: u32,
}

/// Days of the week, a bit each from Monday on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(pub u8);

impl Default for Days {
    fn default() -> Self {
        Days(0x7F)
    }
}

/// Minutes of the day, from the first on and before the last. What ends before it begins goes on past midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// First minute.
    pub from: u16,
    /// Minute after the last.
    pub until: u16,
}

impl Hours {
    /// Reads `08:00-18:00`.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let (from, until) = text.split_once('-')?;
        let (from, until) = (clock(from.trim())?, clock(until.trim())?);
        (from < 1440 && from != until).then_some(Hours { from, until })
    }

    fn contains(self, minute: u16) -> bool {
        if self.from < self.until {
            (self.from..self.until).contains(&minute)
        } else {
            minute >= self.from || minute < self.until
        }
    }
}

/// Reads `08:00` as a minute of the day; `24:00` is its end.
#[must_use]
pub fn clock(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        (matches!(text.len(), 1..=2) && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u16>().ok())
            .flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    (minute < 60 && (hour < 24 || hour == 24 && minute == 0)).then_some(hour * 60 + minute)
}

/// Names of the days of the week, from Monday on.
pub const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Days {
    /// Reads `mon`, `Monday` or `mon-fri`.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (weekday(first)?, weekday(last)?),
            None => (weekday(text)?, weekday(text)?),
        };
        let count = (last + 7 - first) % 7;
        Some(Days((0..=count).fold(0, |days, offset| days | 1 << ((first + offset) % 7))))
    }
}

/// Reads the name of a day, or its first three letters; Monday is 0.
#[must_use]
pub fn weekday(text: &str) -> Option<u8> {
    const REST: [&str; 7] = ["day", "sday", "nesday", "rsday", "day", "urday", "day"];
    let text = text.trim().to_lowercase();
    (0_u8..).zip(WEEKDAYS).find_map(|(number, short)| {
        let rest = text.strip_prefix(short)?;
        (rest.is_empty() || rest == REST[usize::from(number)]).then_some(number)
    })
}

/// A user or group: by number, or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// Its number.
    Id(u32),
    /// Its name. Case counts, as it does to the system.
    Name(Glob),
}

/// Who somebody is, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// Number.
    pub id: Option<u32>,
    /// Name.
    pub name: Option<String>,
}

impl Account {
    fn is(&self, identity: &Identity) -> Held {
        match self {
            Account::Id(id) => identity.id.map_or(Held::Unknown, |its| Held::of(its == *id)),
            Account::Name(glob) if glob.is_anything() => Held::Yes,
            Account::Name(glob) => match &identity.name {
                Some(name) => Held::of(glob.matches(name)),
                None => Held::Unknown,
            },
        }
    }
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// As a number of 128 bits, with the bits that do not count cleared; IPv4 as it is mapped into IPv6.
    pub(super) base: u128,
    pub(super) mask: u128,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fe80::/10`, or one address.
    ///
    /// # Errors
    ///
    /// What is wrong with it: a clause that continues "… ".
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| "is no address")?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) => {
                length.parse().ok().filter(|length| *length <= all).ok_or("has no such length")?
            }
            None => all,
        };
        let free = all - length;
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        let base = number(address);
        // A bit that is set and does not count was meant to.
        if base & !mask != 0 {
            return Err("has bits set that its length leaves out");
        }
        Ok(Network { base, mask })
    }

    #[inline]
    fn contains(&self, address: u128) -> bool {
        address & self.mask == self.base
    }
}

pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Yes,
    No,
    /// It cannot be found out.
    Unknown,
    /// It depends on what is chosen later.
    Open,
}

impl Held {
    fn of(held: bool) -> Self {
        if held { Held::Yes } else { Held::No }
    }

    /// Whether one of several holds.
    fn any(each: impl Iterator<Item = Held>) -> Self {
        let mut sum = Held::No;
        for held in each {
            match held {
                Held::Yes => return Held::Yes,
                Held::No => {}
                other => sum = other,
            }
        }
        sum
    }
}

fn chosen(patterns: &[Glob], choice: Choice<'_>) -> Held {
    match choice {
        Choice::Made(word) => Held::of(patterns.iter().any(|pattern| pattern.matches(word))),
        Choice::Open if patterns.iter().any(Glob::is_anything) => Held::Yes,
        Choice::Open => Held::Open,
    }
}

/// What could not be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// A condition of the rule cannot be read.
    Rule,
    /// What the name leads to.
    Name,
    /// The time.
    Time,
    /// Who asks.
    User,
    /// The groups of who asks.
    Group,
    /// The addresses of the server.
    Address,
}

impl Conditions {
    /// The keys of the conditions that are set.
    #[must_use]
    pub fn keys(&self) -> Vec<&'static str> {
        let set = [
            (!self.remote.is_empty(), "remote"),
            (!self.address.is_empty(), "address"),
            (!self.provider.is_empty(), "provider"),
            (!self.user.is_empty(), "user"),
            (!self.group.is_empty(), "group"),
            (!self.local.is_empty(), "local"),
            (self.flags != Flags::default(), "flags"),
            (!self.hours.is_empty(), "hours"),
            (self.days != Days::default(), "days"),
            (self.events != Events::default(), "event"),
        ];
        set.into_iter().filter(|one| one.0).map(|one| one.1).collect()
    }

    /// Whether the request is one of those the rule is about, and what is not known if that is not known. What
    /// costs little is asked first, and nothing more once the answer is no.
    #[inline]
    pub(super) fn hold(&self, facts: &impl Facts, denies: bool) -> (Held, Option<Doubt>) {
        self.sum(facts, denies).unwrap_or((Held::No, None))
    }

    /// `None` once a condition does not hold.
    #[inline]
    fn sum(&self, facts: &impl Facts, denies: bool) -> Option<(Held, Option<Doubt>)> {
        let event = match facts.event() {
            Event::Add => self.events.add,
            Event::Cancel => self.events.cancel,
        };
        let flags = facts.flags();
        if !event || flags & self.flags.set != self.flags.set || flags & self.flags.clear != 0 {
            return None;
        }
        let mut sum = (Held::Yes, None);
        let mut and = |held, doubt| {
            match held {
                Held::No => return None,
                Held::Open => sum = (Held::Open, None),
                Held::Unknown if sum.0 == Held::Yes => sum = (Held::Unknown, Some(doubt)),
                Held::Unknown | Held::Yes => {}
            }
            Some(sum.0)
        };
        if self.unreadable {
            and(Held::Unknown, Doubt::Rule)?;
        }
        and(self.remote_holds(facts), Doubt::Name)?;
        and(self.choices_hold(facts), Doubt::Name)?;
        and(self.time_holds(facts), Doubt::Time)?;
        and(self.user_holds(facts), Doubt::User)?;
        let so_far = and(self.group_holds(facts), Doubt::Group)?;
        // What depends on a choice is asked again when that has been made; no name is looked up before.
        if !self.address.is_empty() && so_far != Held::Open {
            and(self.addresses_hold(facts, !denies), Doubt::Address)?;
        }
        Some(sum)
    }

    #[inline]
    fn user_holds(&self, facts: &impl Facts) -> Held {
        match &*self.user {
            [] => Held::Yes,
            users => Held::any(users.iter().map(|account| account.is(facts.user()))),
        }
    }

    #[inline]
    fn group_holds(&self, facts: &impl Facts) -> Held {
        if self.group.is_empty() {
            return Held::Yes;
        }
        let Some(its) = facts.groups() else { return Held::Unknown };
        Held::any(self.group.iter().flat_map(|account| its.iter().map(|one| account.is(one))))
    }

    #[inline]
    fn remote_holds(&self, facts: &impl Facts) -> Held {
        match &*self.remote {
            [] => Held::Yes,
            patterns => {
                let name = facts.remote();
                let each = patterns.iter().map(|pattern| pattern.matches(name));
                Held::any(each.map(|matches| matches.map_or(Held::Unknown, Held::of)))
            }
        }
    }

    #[inline]
    fn choices_hold(&self, facts: &impl Facts) -> Held {
        let local = if self.local.is_empty() { Held::Yes } else { chosen(&self.local, facts.local()) };
        let provider =
            if self.provider.is_empty() { Held::Yes } else { chosen(&self.provider, facts.provider()) };
        match (local, provider) {
            (Held::No, _) | (_, Held::No) => Held::No,
            (Held::Yes, other) | (other, _) => other,
        }
    }

    #[inline]
    fn time_holds(&self, facts: &impl Facts) -> Held {
        if self.hours.is_empty() && self.days == Days::default() {
            return Held::Yes;
        }
        let Some(moment) = facts.moment() else { return Held::Unknown };
        let day = self.days.0 & 1 << moment.weekday != 0;
        Held::of(
            day && (self.hours.is_empty() || self.hours.iter().any(|hours| hours.contains(moment.minute))),
        )
    }

    /// A rule that denies does so for any address of the server, one that allows for all of them together: which
    /// of them will be connected to is not ours to know.
    #[inline]
    fn addresses_hold(&self, facts: &impl Facts, all: bool) -> Held {
        let Some(addresses) = facts.addresses().filter(|addresses| !addresses.is_empty()) else {
            return Held::Unknown;
        };
        let inside = |address: &IpAddr| {
            let address = number(*address);
            self.address.iter().any(|network| network.contains(address))
        };
        Held::of(if all { addresses.iter().all(inside) } else { addresses.iter().any(inside) })
    }
}
