//! The table of network providers, and the routing of a call over them (`spec/wnet.md` §3).

use crate::Problem;
use crate::extended_error::Witness;
use mpr_core::claims::{AskedFor, Claim, Claims, Order};
use mpr_core::remote::is_canonical;
use mpr_core::routing::{Purpose, Routing};
use mpr_plugin::{Capabilities, NetworkProvider, Start, Status, WideStr, WideString};
use std::fmt;

/// A provider in the table.
pub struct Provider {
    /// The registered name: `lpProvider` everywhere.
    pub name: WideString,
    /// What it claimed when it was loaded.
    pub capabilities: Capabilities,
    /// Whether its network takes no connection without a local device (DECISION W12).
    pub requires_device: bool,
    /// What is declared of its names.
    pub claims: Claims,
    network: Box<dyn NetworkProvider>,
}

impl Provider {
    /// A provider under its registered name. `None` if it says that it will not start (DECISION P1).
    #[must_use]
    pub fn new(name: WideString, network: Box<dyn NetworkProvider>) -> Option<Self> {
        if network.start() == Start::Never {
            return None;
        }
        let capabilities = network.capabilities();
        Some(Provider { name, capabilities, requires_device: false, claims: Claims::default(), network })
    }

    /// The network behind the name.
    #[must_use]
    pub fn network(&self) -> &dyn NetworkProvider {
        &*self.network
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("name", &self.name)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

/// The providers, in the order in which they are asked.
#[derive(Debug, Default)]
pub(crate) struct Providers {
    table: Vec<Provider>,
    declared: Declared,
    /// Whether one of them takes no connection without a local device.
    demand_device: bool,
    problems: Vec<Problem>,
}

/// Which providers a call goes to; none, by default.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Selection<'a> {
    table: &'a [Provider],
    declared: Declared,
    is_named: bool,
}

/// What is declared of all the providers together, so that a call need not look at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Declared {
    #[default]
    Nothing,
    /// Nothing but that some have UNC names.
    Unc,
    More,
}

/// Whether a provider is asked for a name, and why.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The provider.
    pub provider: &'a Provider,
    /// Its place among those that are asked, counted from 0; `None` if it is not asked.
    pub place: Option<usize>,
    /// A clause that continues "… ".
    pub why: &'static str,
}

impl Providers {
    pub(crate) fn new(table: Vec<Provider>, problems: Vec<Problem>) -> Self {
        let mut declared = Declared::Nothing;
        for claims in table.iter().map(|provider| &provider.claims).filter(|claims| !claims.is_empty()) {
            declared = match declared {
                Declared::More => Declared::More,
                _ if claims.is_of_every_unc_name() => Declared::Unc,
                _ => Declared::More,
            };
        }
        let demand_device = table.iter().any(|provider| provider.requires_device);
        Providers { table, declared, demand_device, problems }
    }

    /// Who would be asked for a name, and why, those that are asked first.
    pub(crate) fn candidates(&self, remote: &WideStr) -> Vec<Candidate<'_>> {
        let name = AskedFor::new(&remote.to_string_lossy());
        let order = self.all().order(remote);
        let place = |at: usize| match order {
            Some(mut order) => order.position(|position| position == at),
            None => Some(at),
        };
        let each = self.table.iter().enumerate().map(|(at, provider)| {
            let claims = &provider.claims;
            let (place, claim) = (place(at), claims.about(&name));
            let why = match (claim, place) {
                (Claim::Narrow, _) => "names like this are declared to be its own",
                (Claim::Broad, _) => "it is declared to have names of this scheme",
                (Claim::Open, _) if claims.is_empty() => "nothing is declared of its names",
                (Claim::Open, _) => "whether the name is its own cannot be told",
                (Claim::Foreign, None) => "it is declared to have other names",
                (Claim::Foreign, Some(_)) => {
                    "it is declared to have other names, but nobody is declared to have this one"
                }
            };
            Candidate { provider, place, why }
        });
        let mut candidates: Vec<_> = each.collect();
        candidates.sort_by_key(|candidate| candidate.place.unwrap_or(usize::MAX));
        candidates
    }

    /// What was registered and left out, and why.
    pub(crate) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Provider> {
        self.table.iter()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Whether one of them takes no connection without a local device.
    #[inline]
    pub(crate) fn demand_device(&self) -> bool {
        self.demand_device
    }

    /// The provider of that name; case does not count (DECISION W3).
    #[cold]
    pub(crate) fn named(&self, name: &WideStr) -> Result<&Provider, Status> {
        self.table.iter().find(|provider| same_name(&provider.name, name)).ok_or(Status::BAD_PROVIDER)
    }

    /// All of them.
    #[inline]
    pub(crate) fn all(&self) -> Selection<'_> {
        Selection { table: &self.table, declared: self.declared, is_named: false }
    }

    /// All providers, or the one that is named. An empty name is no name.
    #[inline(always)]
    pub(crate) fn select(&self, name: Option<&WideStr>) -> Result<Selection<'_>, Status> {
        if self.table.is_empty() {
            return Err(Status::NO_NETWORK);
        }
        match name {
            Some(name) if !name.is_empty() => self.named(name).map(Selection::only),
            _ => Ok(self.all()),
        }
    }

    /// Asks every provider that `can` answer until one does.
    pub(crate) fn route<'a, T>(
        &'a self,
        purpose: Purpose,
        can: impl Fn(&Capabilities) -> bool,
        ask: impl FnMut(&'a Provider) -> Result<T, Status>,
    ) -> Result<T, Status> {
        if self.table.is_empty() {
            return Err(Status::NO_NETWORK);
        }
        self.all().route(purpose, can, ask)
    }
}

impl<'a> Selection<'a> {
    pub(crate) fn iter(&self) -> std::slice::Iter<'a, Provider> {
        self.table.iter()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// One that was asked for by name.
    fn only(provider: &'a Provider) -> Self {
        Selection { table: std::slice::from_ref(provider), declared: Declared::Nothing, is_named: true }
    }

    /// The one that was asked for by name.
    pub(crate) fn named(&self) -> Option<&'a Provider> {
        self.table.first().filter(|_| self.is_named)
    }

    /// Who is asked for a name; `None` for everybody, in order.
    #[inline]
    fn order(&self, remote: &WideStr) -> Option<Order> {
        match self.declared {
            Declared::Nothing => None,
            Declared::Unc if is_canonical(remote.as_slice()) => None,
            _ => self.declared_order(remote),
        }
    }

    #[cold]
    fn declared_order(&self, remote: &WideStr) -> Option<Order> {
        let name = AskedFor::new(&remote.to_string_lossy());
        Order::of(self.iter().map(|provider| provider.claims.about(&name)))
    }

    /// Asks every selected provider that `can` answer until one does (DECISION W8).
    #[inline(always)]
    pub(crate) fn route<T>(
        &self,
        purpose: Purpose,
        can: impl Fn(&Capabilities) -> bool,
        ask: impl FnMut(&'a Provider) -> Result<T, Status>,
    ) -> Result<T, Status> {
        self.ask_each(self.iter(), purpose, can, ask)
    }

    /// As [`route`](Self::route), about a name: asks those alone that can own it, as declared.
    #[inline(always)]
    pub(crate) fn route_name<T>(
        &self,
        remote: &WideStr,
        purpose: Purpose,
        can: impl Fn(&Capabilities) -> bool,
        ask: impl FnMut(&'a Provider) -> Result<T, Status>,
    ) -> Result<T, Status> {
        match self.order(remote) {
            None => self.route(purpose, can, ask),
            Some(order) => self.route_in_order(order, purpose, can, ask),
        }
    }

    #[cold]
    fn route_in_order<T>(
        &self,
        order: Order,
        purpose: Purpose,
        can: impl Fn(&Capabilities) -> bool,
        ask: impl FnMut(&'a Provider) -> Result<T, Status>,
    ) -> Result<T, Status> {
        self.ask_each(order.filter_map(|at| self.table.get(at)), purpose, can, ask)
    }

    #[inline(always)]
    fn ask_each<T>(
        &self,
        providers: impl Iterator<Item = &'a Provider>,
        purpose: Purpose,
        can: impl Fn(&Capabilities) -> bool,
        mut ask: impl FnMut(&'a Provider) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let mut refusals = Refusals::begin(self, purpose);
        for provider in providers.filter(|provider| can(&provider.capabilities)) {
            match ask(provider) {
                Ok(answer) => return Ok(answer),
                // The provider owns the name, and the buffer is short.
                Err(Status::MORE_DATA) => return Err(Status::MORE_DATA),
                Err(status) => refusals.record(status),
            }
        }
        Err(refusals.conclude())
    }

    /// Asks every selected provider that `can` answer, also when one has done so, and returns the first that did.
    #[inline(always)]
    pub(crate) fn route_to_all(
        &self,
        purpose: Purpose,
        can: impl Fn(&Capabilities) -> bool,
        mut ask: impl FnMut(&'a Provider) -> Result<(), Status>,
    ) -> Result<&'a Provider, Status> {
        let mut refusals = Refusals::begin(self, purpose);
        let mut first = None;
        for provider in self.iter().filter(|provider| can(&provider.capabilities)) {
            match ask(provider) {
                Ok(()) => _ = first.get_or_insert(provider),
                Err(status) => refusals.record(status),
            }
        }
        match first {
            Some(provider) => Ok(provider),
            None => Err(refusals.conclude()),
        }
    }
}

/// What those answered who did not accept.
enum Refusals {
    /// Where there is only one to ask, its answer is the result, and what it recorded is the record.
    OfOne(Status),
    /// Each may record an error; the result's own belongs to it (DECISION W9).
    OfSeveral { routing: Routing, witness: Witness },
}

impl Refusals {
    /// Begins before anybody is asked.
    #[inline(always)]
    fn begin(selection: &Selection<'_>, purpose: Purpose) -> Self {
        if selection.table.len() > 1 {
            Refusals::OfSeveral { routing: Routing::new(purpose), witness: Witness::new() }
        } else {
            // Until it is asked. If it is not, that is because it cannot answer.
            Refusals::OfOne(Status::NOT_SUPPORTED)
        }
    }

    #[cold]
    fn record(&mut self, status: Status) {
        match self {
            Refusals::OfOne(result) => *result = status,
            Refusals::OfSeveral { routing, witness } => {
                routing.record(status);
                witness.saw(status);
            }
        }
    }

    #[cold]
    fn conclude(self) -> Status {
        match self {
            Refusals::OfOne(result) => result,
            Refusals::OfSeveral { routing, witness } => {
                let result = routing.conclude();
                witness.settle(result);
                result
            }
        }
    }
}

/// Whether two provider names are the same: case does not count.
pub(crate) fn same_name(one: &WideStr, other: &WideStr) -> bool {
    let folded = |name: &WideStr| name.chars_lossy().flat_map(char::to_lowercase).collect::<String>();
    one == other || folded(one) == folded(other)
}
