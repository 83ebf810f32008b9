//! Which of several providers' answers is the result (`spec/wnet.md` §3.2).

use mpr_abi::{Significance, Status};

/// What a call asks of the providers; decides what "not connected" counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Anything that is not about an existing connection.
    Resource,
    /// Cancel, or a question about an existing connection: `WN_NOT_CONNECTED` beats other "not mine" codes.
    Connection,
}

/// The answers of the providers asked so far.
///
/// ```
/// use mpr_abi::Status;
/// use mpr_core::routing::{Purpose, Routing};
///
/// let mut routing = Routing::new(Purpose::Resource);
/// for answer in [Status::BAD_NETNAME, Status::BAD_PASSWORD, Status::ACCESS_DENIED] {
///     routing.record(answer);
/// }
/// assert_eq!(routing.conclude(), Status::BAD_PASSWORD);
/// ```
#[derive(Debug)]
pub struct Routing {
    purpose: Purpose,
    significant: Option<Status>,
    later: Option<Status>,
    /// First answer that is neither "network not started" nor "not supported".
    plain: Option<Status>,
    asked: u32,
    without_network: u32,
    not_connected: bool,
}

impl Routing {
    /// Nobody asked yet.
    #[inline]
    #[must_use]
    pub fn new(purpose: Purpose) -> Self {
        Routing {
            purpose,
            significant: None,
            later: None,
            plain: None,
            asked: 0,
            without_network: 0,
            not_connected: false,
        }
    }

    /// Takes one provider's failure.
    pub fn record(&mut self, status: Status) {
        self.asked += 1;
        match status {
            Status::NO_NETWORK => self.without_network += 1,
            Status::NOT_CONNECTED => self.not_connected = true,
            _ => {}
        }
        if !matches!(status, Status::NO_NETWORK | Status::NOT_SUPPORTED) {
            self.plain.get_or_insert(status);
        }
        match status.significance() {
            Significance::Significant => _ = self.significant.get_or_insert(status),
            Significance::Later => _ = self.later.get_or_insert(status),
            Significance::NotMine => {}
        }
    }

    /// The result when nobody accepted.
    pub fn conclude(&self) -> Status {
        if let Some(status) = self.significant.or(self.later) {
            status
        } else if self.asked > 0 && self.without_network == self.asked {
            Status::NO_NETWORK
        } else if self.without_network > 0 {
            Status::NO_NET_OR_BAD_PATH
        } else if self.purpose == Purpose::Connection && self.not_connected {
            Status::NOT_CONNECTED
        } else {
            self.plain.unwrap_or(Status::NOT_SUPPORTED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(purpose: Purpose, answers: &[Status]) -> Status {
        let mut routing = Routing::new(purpose);
        for &answer in answers {
            routing.record(answer);
        }
        routing.conclude()
    }

    #[test]
    fn first_significant_error_wins_wherever_it_stands() {
        use Status as S;
        assert_eq!(result(Purpose::Resource, &[S::BAD_PASSWORD, S::BAD_NETNAME]), S::BAD_PASSWORD);
        assert_eq!(result(Purpose::Resource, &[S::BAD_NETNAME, S::BAD_PASSWORD]), S::BAD_PASSWORD);
        assert_eq!(result(Purpose::Resource, &[S::CANCEL, S::BAD_PASSWORD]), S::CANCEL);
    }

    #[test]
    fn first_insignificant_error_wins_among_its_kind() {
        assert_eq!(
            result(Purpose::Resource, &[Status::BAD_NETNAME, Status::BAD_NETPATH]),
            Status::BAD_NETNAME
        );
    }

    #[test]
    fn not_supported_yields_to_any_other_code() {
        assert_eq!(
            result(Purpose::Resource, &[Status::NOT_SUPPORTED, Status::BAD_NETPATH]),
            Status::BAD_NETPATH
        );
        assert_eq!(result(Purpose::Resource, &[Status::NOT_SUPPORTED]), Status::NOT_SUPPORTED);
    }

    #[test]
    fn a_network_that_is_down_makes_an_unknown_name_ambiguous() {
        use Status as S;
        assert_eq!(result(Purpose::Resource, &[S::NO_NETWORK, S::BAD_NETNAME]), S::NO_NET_OR_BAD_PATH);
        assert_eq!(result(Purpose::Resource, &[S::NO_NETWORK, S::NO_NETWORK]), S::NO_NETWORK);
        assert_eq!(result(Purpose::Connection, &[S::NOT_CONNECTED, S::NO_NETWORK]), S::NO_NET_OR_BAD_PATH);
    }

    #[test]
    fn busy_beats_not_mine_and_loses_to_a_significant_error() {
        use Status as S;
        assert_eq!(result(Purpose::Resource, &[S::FUNCTION_BUSY, S::BAD_NETNAME]), S::FUNCTION_BUSY);
        assert_eq!(result(Purpose::Resource, &[S::FUNCTION_BUSY, S::ACCESS_DENIED]), S::ACCESS_DENIED);
    }

    #[test]
    fn not_connected_is_preferred_only_where_a_connection_was_asked_for() {
        use Status as S;
        assert_eq!(result(Purpose::Connection, &[S::BAD_NETNAME, S::NOT_CONNECTED]), S::NOT_CONNECTED);
        assert_eq!(result(Purpose::Resource, &[S::BAD_NETNAME, S::NOT_CONNECTED]), S::BAD_NETNAME);
    }
}
