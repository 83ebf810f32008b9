//! A network of canned answers, for questions no script speaks of.

use mpr_plugin::{
    Capabilities, Entries, EnumQuery, Enumeration, NetResource, NetworkProvider, Performance, ResourceQuery,
    Start, Status, UniversalName, WideStr, WideString, wide,
};
use std::collections::VecDeque;
use std::sync::Mutex;

/// What is answered to each question; what is not set is not supported.
pub(crate) struct Answers {
    pub(crate) capabilities: Capabilities,
    /// One answer a question, the last for ever.
    pub(crate) start: Mutex<VecDeque<Start>>,
    pub(crate) connection: Result<&'static str, u32>,
    pub(crate) deferred: Result<&'static str, u32>,
    pub(crate) user: Result<&'static str, u32>,
    pub(crate) universal: Result<UniversalName, u32>,
    pub(crate) performance: Result<Performance, u32>,
    pub(crate) entries: Result<Vec<Result<NetResource, u32>>, u32>,
    /// What closing an enumeration comes to.
    pub(crate) close: u32,
    pub(crate) information: Result<(NetResource, Option<&'static str>), u32>,
    pub(crate) parent: Result<NetResource, u32>,
    pub(crate) formatted: Result<&'static str, u32>,
    pub(crate) use_options: Result<Vec<u8>, u32>,
}

impl Default for Answers {
    fn default() -> Self {
        const NOT_SUPPORTED: u32 = Status::NOT_SUPPORTED.0;
        Answers {
            capabilities: Capabilities::default(),
            start: Mutex::default(),
            connection: Err(NOT_SUPPORTED),
            deferred: Err(NOT_SUPPORTED),
            user: Err(NOT_SUPPORTED),
            universal: Err(NOT_SUPPORTED),
            performance: Err(NOT_SUPPORTED),
            entries: Err(NOT_SUPPORTED),
            close: 0,
            information: Err(NOT_SUPPORTED),
            parent: Err(NOT_SUPPORTED),
            formatted: Err(NOT_SUPPORTED),
            use_options: Err(NOT_SUPPORTED),
        }
    }
}

fn name(answer: Result<&'static str, u32>) -> Result<WideString, Status> {
    answer.map(wide).map_err(Status)
}

impl NetworkProvider for Answers {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn start(&self) -> Start {
        let mut answers = self.start.lock().unwrap();
        match answers.len() {
            0 => Start::Running,
            1 => answers[0],
            _ => answers.pop_front().unwrap(),
        }
    }

    fn connection(&self, _: &WideStr) -> Result<WideString, Status> {
        name(self.connection)
    }

    fn deferred_connection(&self, _: &WideStr) -> Result<WideString, Status> {
        name(self.deferred)
    }

    fn user(&self, _: &WideStr) -> Result<WideString, Status> {
        name(self.user)
    }

    fn universal_name(&self, _: &WideStr) -> Result<UniversalName, Status> {
        self.universal.clone().map_err(Status)
    }

    fn performance(&self, _: &WideStr) -> Result<Performance, Status> {
        self.performance.map_err(Status)
    }

    fn enumerate(&self, _: &EnumQuery<'_>) -> Result<Entries, Status> {
        let entries = self.entries.clone().map_err(Status)?;
        Ok(Box::new(Canned { entries: entries.into(), close: Status(self.close) }))
    }

    fn resource_information(
        &self,
        _: &ResourceQuery<'_>,
    ) -> Result<(NetResource, Option<WideString>), Status> {
        self.information.clone().map(|(found, rest)| (found, rest.map(wide))).map_err(Status)
    }

    fn resource_parent(&self, _: &ResourceQuery<'_>) -> Result<NetResource, Status> {
        self.parent.clone().map_err(Status)
    }

    fn format_network_name(&self, _: &WideStr, _: u32, _: u32) -> Result<WideString, Status> {
        name(self.formatted)
    }

    fn persistent_use_options(&self, _: &WideStr, _: &[u8]) -> Result<Vec<u8>, Status> {
        self.use_options.clone().map_err(Status)
    }
}

struct Canned {
    entries: VecDeque<Result<NetResource, u32>>,
    close: Status,
}

impl Enumeration for Canned {
    fn next_entry(&mut self) -> Option<Result<NetResource, Status>> {
        Some(self.entries.pop_front()?.map_err(Status))
    }

    fn close(self: Box<Self>) -> Result<(), Status> {
        self.close.ok()
    }
}
