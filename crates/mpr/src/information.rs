//! Questions about resources and providers: `WNetGetResourceInformation`, `WNetGetResourceParent`,
//! `WNetGetProviderName`, `WNetGetProviderType`, `WNetGetNetworkInformation`, `WNetFormatNetworkName`
//! (`spec/wnet.md` §10, §11, §16).

use crate::Router;
use crate::connect::canonical;
use crate::providers::Provider;
use mpr_core::routing::Purpose;
use mpr_plugin::abi::{
    WNNC_DLG_FORMATNETWORKNAME, WNNC_DLG_GETRESOURCEINFORMATION, WNNC_DLG_GETRESOURCEPARENT,
};
use mpr_plugin::{NetResource, ResourceQuery, Start, Status, WideStr, WideString};

/// What `WNetGetNetworkInformation` tells about a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkInformation {
    /// Version of the provider.
    pub version: u32,
    /// Success when running, `WN_NO_NETWORK` when not, `WN_FUNCTION_BUSY` when starting (DECISION W30).
    pub status: Status,
    /// High word of the network type.
    pub net_type: u16,
}

impl Router {
    /// The part of a name that is reached through the router, and the rest, as `WNetGetResourceInformation`
    /// tells.
    ///
    /// # Errors
    ///
    /// `WN_BAD_NETNAME` without a name; else what the providers answer.
    pub fn resource_information(
        &self,
        remote: Option<&WideStr>,
        kind: u32,
        provider: Option<&WideStr>,
    ) -> Result<(NetResource, Option<WideString>), Status> {
        let remote = remote.filter(|remote| !remote.is_empty()).ok_or(Status::BAD_NETNAME)?;
        let (remote, _) = canonical(remote)?;
        let query = ResourceQuery { remote: &remote, kind, provider };
        let (provider, (found, rest)) = self.providers().select(provider)?.route_name(
            &remote,
            Purpose::Resource,
            |capabilities| capabilities.dialog & WNNC_DLG_GETRESOURCEINFORMATION != 0,
            |provider| provider.network().resource_information(&query).map(|found| (provider, found)),
        )?;
        // Only these members are set (§10.1).
        let found = NetResource { scope: 0, local: None, comment: None, ..with_provider(found, provider) };
        Ok((found, rest))
    }

    /// What contains a resource, as `WNetGetResourceParent` tells. Not routed: the provider must be named.
    ///
    /// # Errors
    ///
    /// `WN_BAD_PROVIDER` without a provider; `WN_BAD_NETNAME` without a name; else what the provider answers.
    pub fn resource_parent(
        &self,
        remote: Option<&WideStr>,
        kind: u32,
        provider: Option<&WideStr>,
    ) -> Result<NetResource, Status> {
        let name = provider.filter(|name| !name.is_empty()).ok_or(Status::BAD_PROVIDER)?;
        let owner = self.named_provider(name)?;
        let remote = remote.filter(|remote| !remote.is_empty()).ok_or(Status::BAD_NETNAME)?;
        if owner.capabilities.dialog & WNNC_DLG_GETRESOURCEPARENT == 0 {
            return Err(Status::NOT_SUPPORTED);
        }
        let (remote, _) = canonical(remote)?;
        let found = owner.network().resource_parent(&ResourceQuery { remote: &remote, kind, provider })?;
        Ok(NetResource { scope: 0, local: None, comment: None, ..with_provider(found, owner) })
    }

    /// The name of the first provider of a network type, of which only the high word counts, as
    /// `WNetGetProviderName` tells.
    ///
    /// # Errors
    ///
    /// `WN_NO_NETWORK` if there is none (DECISION W29).
    pub fn provider_name(&self, net_type: u32) -> Result<&WideStr, Status> {
        self.providers()
            .iter()
            .find(|provider| provider.capabilities.net_type >> 16 == net_type >> 16)
            .map(|provider| &*provider.name)
            .ok_or(Status::NO_NETWORK)
    }

    /// The network type of a provider, as `WNetGetProviderType` tells.
    ///
    /// # Errors
    ///
    /// `WN_BAD_PROVIDER` if there is no such provider.
    pub fn provider_type(&self, name: &WideStr) -> Result<u32, Status> {
        Ok(self.named_provider(name)?.capabilities.net_type)
    }

    /// What is known of a provider, as `WNetGetNetworkInformation` tells.
    ///
    /// # Errors
    ///
    /// `WN_BAD_PROVIDER` if there is no such provider.
    pub fn network_information(&self, name: &WideStr) -> Result<NetworkInformation, Status> {
        let provider = self.named_provider(name)?;
        let status = match provider.network().start() {
            Start::Running => Status::SUCCESS,
            Start::Never => Status::NO_NETWORK,
            Start::Within(_) | Start::Unknown => Status::FUNCTION_BUSY,
        };
        Ok(NetworkInformation {
            version: provider.capabilities.version,
            status,
            net_type: (provider.capabilities.net_type >> 16) as u16,
        })
    }

    /// A remote name as it is to be shown, as `WNetFormatNetworkName` tells. Never routed.
    ///
    /// # Errors
    ///
    /// `WN_BAD_PROVIDER` if there is no such provider. What the provider cannot format is shown as it is.
    pub fn format_network_name(
        &self,
        provider: &WideStr,
        remote: &WideStr,
        flags: u32,
        chars_per_line: u32,
    ) -> Result<WideString, Status> {
        let provider = self.named_provider(provider)?;
        if provider.capabilities.dialog & WNNC_DLG_FORMATNETWORKNAME == 0 {
            return Ok(remote.to_ucstring());
        }
        let formatted = provider.network().format_network_name(remote, flags, chars_per_line);
        Ok(formatted.unwrap_or_else(|_| remote.to_ucstring()))
    }

    fn named_provider(&self, name: &WideStr) -> Result<&Provider, Status> {
        self.providers().named(name)
    }
}

fn with_provider(mut resource: NetResource, provider: &Provider) -> NetResource {
    if resource.provider.as_ref().is_none_or(|name| name.is_empty()) {
        resource.provider = Some(provider.name.clone());
    }
    resource
}
