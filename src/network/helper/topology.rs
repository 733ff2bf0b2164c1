// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bridges in the helper's namespace, and interfaces in those of containers.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::slice;

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns, unshare};

use super::firewall::{self, CAUGHT, Echo, Hold, PORTS_TABLE};
use crate::network::addresses::HOST;
use crate::network::netlink::nft::{self, TableFamily};
use crate::network::netlink::{Message, Protocol, Socket, route};
use crate::network::plan::{Attachment, ConnectionPlan, NetworkPlan, Prefix};
use crate::sys::{Called, Ignored, SysError, SysResult};

/// The table of routes for what was caught.
const ROUTES: u8 = 100;

/// The largest packet where a network says nothing: nothing of it leaves the machine as it is,
/// and large ones cost the least.
pub(super) const DEFAULT_MTU: u32 = 65520;

/// `lo` is always the first interface.
const LOOPBACK: u32 = 1;

/// Of each family one.
const FAMILIES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    IpAddr::V6(Ipv6Addr::UNSPECIFIED),
];

/// Whether the namespace is new.
#[derive(Debug)]
pub(super) enum Origin {
    /// It is made here.
    New,
    /// A helper that died has left it.
    Inherited(OwnedFd),
}

/// The namespace of the bridges.
#[derive(Debug)]
pub(super) struct Topology {
    namespace: OwnedFd,
    routes: Socket,
    filter: Option<Socket>,
    networks: BTreeMap<String, NetworkPlan>,
    senders: BTreeMap<String, Vec<nft::Set>>,
    hold: Hold,
    echo: Echo,
}

/// The network namespace that the calling thread is in.
pub(super) fn own_namespace() -> SysResult<OwnedFd> {
    let file = File::open("/proc/thread-self/ns/net").called(|| "open(ns/net)")?;
    Ok(file.into())
}

/// Whether the kernel lets the calling thread, which has rights in a user namespace, make the
/// namespace that a helper needs. The thread stays in one that has nothing in it.
///
/// # Errors
///
/// The first thing that the kernel refused.
pub fn probe() -> SysResult<()> {
    let mut probed = Topology::enter(&Origin::New, Hold::Queue, Echo::Refused)?;
    probed
        .routes
        .request(&[route::add_bridge("probe0", DEFAULT_MTU, [2, 0, 0, 0, 0, 1])])
}

/// The messages that put a table in its place.
type PutTable = fn(&nft::Table) -> Vec<Message>;

impl Topology {
    /// Takes the calling thread into the namespace, for good.
    ///
    /// # Errors
    ///
    /// What kept it out; EPERM where user namespaces have no rights.
    pub(super) fn enter(origin: &Origin, hold: Hold, echo: Echo) -> SysResult<Self> {
        match origin {
            Origin::New => unshare(CloneFlags::CLONE_NEWNET).called(|| "unshare(CLONE_NEWNET)")?,
            Origin::Inherited(namespace) => join(namespace.as_fd())?,
        }
        let mut routes = Socket::open(Protocol::Route)?;
        if matches!(origin, Origin::New) {
            prepare_namespace(&mut routes)?;
        }
        let echo = match (echo, leave_echoes(echo)) {
            (Echo::Relayed, Ok(())) => Echo::Relayed,
            // What cannot be kept from answering itself would answer for everybody.
            (Echo::Refused, _) | (Echo::Relayed, Err(_)) => Echo::Refused,
        };
        let mut topology = Self {
            namespace: own_namespace()?,
            routes,
            filter: Socket::open(Protocol::Netfilter).ok(),
            networks: BTreeMap::new(),
            senders: BTreeMap::new(),
            hold,
            echo,
        };
        // One that was inherited has it, unless an older helper made it.
        let host = route::add_address(LOOPBACK, Prefix::new(HOST.into(), 32));
        topology.routes.request(&[host]).ignored();
        // In a new namespace there is nothing to be replaced, which the kernel would wait for.
        let put = match origin {
            Origin::New => nft::add,
            Origin::Inherited(_) => nft::replace,
        };
        topology.set_rules(put)?;
        topology.guard_bridges(put);
        Ok(topology)
    }

    /// The namespace, for whoever looks into it.
    pub(super) fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// Whether echo requests are caught.
    pub(super) const fn echo(&self) -> Echo {
        self.echo
    }

    /// How first packets are held.
    pub(super) const fn hold(&self) -> Hold {
        self.hold
    }

    /// Holds no first packets from now on.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    pub(super) fn hold_nothing(&mut self) -> SysResult<()> {
        self.hold = Hold::Nothing;
        self.set_rules(nft::replace)
    }

    /// Puts the rules for what is caught in place. With less than was hoped for, where the kernel
    /// cannot do it all.
    fn set_rules(&mut self, put: PutTable) -> SysResult<()> {
        let networks = self.networks.values().collect::<Vec<_>>();
        let filter = self
            .filter
            .as_mut()
            .ok_or_else(|| SysError::new("socket(NETLINK_NETFILTER)", Errno::EPROTONOSUPPORT))?;
        loop {
            let table = firewall::catching(&networks, self.hold, self.echo);
            let Err(error) = filter.transaction(&put(&table)) else {
                return Ok(());
            };
            self.hold = match self.hold {
                Hold::Queue => Hold::OldQueue,
                Hold::OldQueue => Hold::Nothing,
                Hold::Nothing => return Err(error),
            };
        }
    }

    /// A kernel without rules for bridges goes without the guard: containers of one network can
    /// then send with each other's addresses, as they can under other engines.
    fn guard_bridges(&mut self, put: PutTable) {
        if let Some(filter) = &mut self.filter {
            let table = firewall::sending();
            filter.transaction(&put(&table)).ignored();
        }
    }

    /// Removes the bridge that `network` is to have and that is another's: of a network that is no
    /// more, or of the same one with other addresses. Nobody is in it. The value is its id.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    pub(super) fn make_way(&mut self, network: &NetworkPlan) -> SysResult<Option<String>> {
        let is_other = |one: &&NetworkPlan| {
            one.bridge == network.bridge && (one.id != network.id || one.subnets != network.subnets)
        };
        let Some(other) = self.networks.values().find(is_other) else {
            return Ok(None);
        };
        let id = other.id.clone();
        self.routes.request(&[route::delete(&network.bridge)])?;
        self.networks.remove(&id);
        Ok(Some(id))
    }

    /// Makes the bridge of a network, unless it is there.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    pub(super) fn ensure(&mut self, network: &NetworkPlan) -> SysResult<Ensured> {
        if self.networks.contains_key(&network.id) {
            return Ok(Ensured::Known);
        }
        if if_nametoindex(network.bridge.as_str()).is_err() {
            let mtu = network.mtu.unwrap_or(DEFAULT_MTU);
            let bridge = route::add_bridge(&network.bridge, mtu, bridge_mac(&network.id));
            self.routes.request(&[bridge])?;
            let index = index_of(&network.bridge)?;
            let gateways = network.subnets.iter().filter_map(|subnet| {
                let prefix = Prefix::new(subnet.gateway?, subnet.network.length);
                Some(route::add_address(index, prefix))
            });
            self.routes.request(&gateways.collect::<Vec<_>>())?;
        }
        self.networks.insert(network.id.clone(), network.clone());
        self.set_rules(nft::replace)?;
        Ok(Ensured::Made)
    }

    /// Makes the interface of `attachment` in the container's namespace. `outer` is the name of its
    /// other end, which is there already when a helper has died.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    pub(super) fn plug(
        &mut self,
        network: &NetworkPlan,
        attachment: &Attachment,
        outer: &str,
        namespace: BorrowedFd<'_>,
        ways: &[WayOut],
    ) -> SysResult<()> {
        self.admit(attachment, outer);
        if if_nametoindex(outer).is_ok() {
            let inner = attachment.interface.as_str();
            let stands = self.inside(namespace, || Ok(if_nametoindex(inner).is_ok()))?;
            if stands {
                return Ok(());
            }
            // The container was started again, and its last namespace is still being taken down.
            self.routes.request(&[route::delete(outer)])?;
        }
        let veth = route::add_veth(&route::Veth {
            outer,
            bridge: index_of(&network.bridge)?,
            inner: &attachment.interface,
            mac: attachment.mac.0,
            namespace,
            mtu: network.mtu.unwrap_or(DEFAULT_MTU),
        });
        match self.routes.request(slice::from_ref(&veth)) {
            // Its other end is in the bridges of a helper that died, which nobody handed over.
            Err(error) if error.errno == Errno::EEXIST => {
                let inner = route::delete(&attachment.interface);
                self.inside(namespace, || {
                    Socket::open(Protocol::Route)?.request(&[inner])
                })?;
                self.routes.request(&[veth])?;
            }
            result => result?,
        }
        self.inside(namespace, || configure(network, attachment, ways))
    }

    /// Sends what leaves a container by `ways` from now on.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    pub(super) fn lead(&self, namespace: BorrowedFd<'_>, ways: &[WayOut]) -> SysResult<()> {
        if ways.is_empty() {
            return Ok(());
        }
        self.inside(namespace, || {
            let routes = ways.iter().map(WayOut::route);
            Socket::open(Protocol::Route)?.request(&routes.collect::<SysResult<Vec<_>>>()?)
        })
    }

    /// Removes an interface and its other end.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    pub(super) fn unplug(&mut self, outer: &str) -> SysResult<()> {
        self.expel(outer);
        self.routes.request(&[route::delete(outer)])
    }

    /// Lets an interface send from its own addresses.
    fn admit(&mut self, attachment: &Attachment, outer: &str) {
        let sets = firewall::senders(outer, attachment.mac.0, &attachment.addresses);
        if let Some(filter) = &mut self.filter {
            let add = |set| nft::add_elements(TableFamily::Bridge, PORTS_TABLE, set);
            let messages = sets.iter().map(add).collect::<Vec<_>>();
            // Where there is no guard, nobody needs to be let through.
            filter.transaction(&messages).ignored();
        }
        self.senders.insert(outer.to_owned(), sets);
    }

    /// The interface is gone, or will be: its name may be given again.
    pub(super) fn expel(&mut self, outer: &str) {
        let Some(sets) = self.senders.remove(outer) else {
            return;
        };
        if let Some(filter) = &mut self.filter {
            let delete = |set| nft::delete_elements(TableFamily::Bridge, PORTS_TABLE, set);
            let messages = sets.iter().map(delete).collect::<Vec<_>>();
            filter.transaction(&messages).ignored();
        }
    }

    /// Does something in a container's network namespace.
    ///
    /// # Errors
    ///
    /// What `work` says, and EPERM for a namespace that is not below ours.
    pub(super) fn inside<T>(
        &self,
        namespace: BorrowedFd<'_>,
        work: impl FnOnce() -> SysResult<T>,
    ) -> SysResult<T> {
        join(namespace)?;
        let done = work();
        join(self.namespace.as_fd())?;
        done
    }
}

/// Whether a network is new to this helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ensured {
    /// It is.
    Made,
    /// It is not.
    Known,
}

/// Where what leaves a container goes, of one family of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WayOut {
    interface: String,
    gateway: IpAddr,
}

impl WayOut {
    fn route(&self) -> SysResult<Message> {
        let index = index_of(&self.interface)?;
        Ok(route::add_default_route(index, self.gateway))
    }
}

/// For each family of addresses the first gateway, in the order in which the networks were joined.
pub(super) fn ways_out(plan: &ConnectionPlan) -> Vec<WayOut> {
    let gateways = plan.attachments.iter().flat_map(|attachment| {
        let network = plan.network_of(attachment);
        let network = network.filter(|network| !network.internal);
        let subnets = network.map_or(&[][..], |network| &network.subnets);
        let gateways = subnets.iter().filter_map(|subnet| subnet.gateway);
        let has = |gateway: &IpAddr| {
            let mut addresses = attachment.addresses.iter();
            addresses.any(|prefix| prefix.address.is_ipv4() == gateway.is_ipv4())
        };
        gateways.filter(has).map(|gateway| WayOut {
            interface: attachment.interface.clone(),
            gateway,
        })
    });
    let gateways = gateways.collect::<Vec<_>>();
    let of = |like: &IpAddr| {
        let mut gateways = gateways.iter();
        gateways.find(|way| way.gateway.is_ipv4() == like.is_ipv4())
    };
    FAMILIES.iter().filter_map(of).cloned().collect()
}

fn join(namespace: BorrowedFd<'_>) -> SysResult<()> {
    setns(namespace, CloneFlags::CLONE_NEWNET).called(|| "setns(CLONE_NEWNET)")
}

fn index_of(interface: &str) -> SysResult<u32> {
    if_nametoindex(interface).called(|| format!("if_nametoindex({interface})"))
}

/// In the container's namespace.
fn configure(network: &NetworkPlan, attachment: &Attachment, ways: &[WayOut]) -> SysResult<()> {
    let mut routes = Socket::open(Protocol::Route)?;
    let index = index_of(&attachment.interface)?;
    let mut messages = vec![route::set_up("lo"), route::set_up(&attachment.interface)];
    let addresses = attachment.addresses.iter();
    messages.extend(addresses.map(|address| route::add_address(index, *address)));
    for way in ways {
        messages.push(way.route()?);
    }
    let further = network.routes.iter();
    messages.extend(further.map(|(to, by)| route::add_route(index, *to, *by)));
    routes.request(&messages)
}

/// Loopback, the way of what is caught, and the settings without which it does not work.
fn prepare_namespace(routes: &mut Socket) -> SysResult<()> {
    // Forwarding stays off: no packet goes from one network to another, or past the rules.
    for (path, value) in SETTINGS {
        set(path, value)?;
    }
    routes.request(&[
        route::set_up("lo"),
        route::add_mark_rule(FAMILIES[0], CAUGHT, ROUTES),
        route::add_local_route(FAMILIES[0], LOOPBACK, ROUTES),
    ])?;
    // A kernel without IPv6 does without.
    let v6 = [
        route::add_mark_rule(FAMILIES[1], CAUGHT, ROUTES),
        route::add_local_route(FAMILIES[1], LOOPBACK, ROUTES),
    ];
    routes.request(&v6).ignored();
    Ok(())
}

/// What is not there needs no setting.
fn set(path: &str, value: &str) -> SysResult<()> {
    if !fs::exists(path).unwrap_or(false) {
        return Ok(());
    }
    File::options()
        .write(true)
        .open(path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, value.as_bytes()))
        .called(|| format!("write({path}, {value})"))
}

/// Whether the kernel answers echo requests.
fn leave_echoes(echo: Echo) -> SysResult<()> {
    let value = match echo {
        Echo::Relayed => "1",
        Echo::Refused => "0",
    };
    set("/proc/sys/net/ipv4/icmp_echo_ignore_all", value)?;
    set("/proc/sys/net/ipv6/icmp/echo_ignore_all", value)
}

/// With netfilter called from the bridge, the packets of a caught connection would lose their
/// socket; and a packet that is caught has a source that no route leads back to. Nothing is lost on
/// the way to a container, so there is nobody to be careful with: what the host prefers may send at
/// a measured pace, by timers.
const SETTINGS: [(&str, &str); 9] = [
    ("/proc/sys/net/bridge/bridge-nf-call-iptables", "0"),
    ("/proc/sys/net/bridge/bridge-nf-call-ip6tables", "0"),
    ("/proc/sys/net/bridge/bridge-nf-call-arptables", "0"),
    ("/proc/sys/net/ipv4/conf/all/rp_filter", "0"),
    ("/proc/sys/net/ipv4/conf/default/rp_filter", "0"),
    ("/proc/sys/net/ipv4/ip_forward", "0"),
    ("/proc/sys/net/ipv4/ip_nonlocal_bind", "1"),
    ("/proc/sys/net/ipv4/tcp_congestion_control", "reno"),
    ("/proc/sys/net/ipv6/conf/default/accept_dad", "0"),
];

/// The same for a network whenever its bridge is made.
fn bridge_mac(id: &str) -> [u8; 6] {
    let byte = |at: usize| {
        let digits = id.get(at..at + 2).unwrap_or_default();
        u8::from_str_radix(digits, 16).unwrap_or_default()
    };
    [0x0a, byte(0), byte(2), byte(4), byte(6), byte(8)]
}

/// The name of an interface's end in the bridge: at most 15 bytes, no two the same, and for the next
/// helper what it was for the last.
pub(super) fn outer_name(container: &str, inner: &str) -> String {
    let head = |length| container.get(..length).unwrap_or(container);
    let number = inner.strip_prefix("eth").filter(|number| {
        (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    match number {
        Some(number) => format!("v{}n{number}", head(10)),
        None => format!("v{}x{:09x}", head(4), digest(container, inner) >> 28),
    }
}

/// FNV-1a of both.
fn digest(container: &str, inner: &str) -> u64 {
    let bytes = container.bytes().chain([0]).chain(inner.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::plan::Subnet;

    #[test]
    fn names_fit_into_the_kernels_limit() {
        let id = "0123456789abcdef";
        assert_eq!(outer_name(id, "eth3"), "v0123456789n3");
        let inner = ["eth999", "eth1000", "eth", "ethx", "lan", "lan0"];
        let outer = inner.map(|inner| outer_name(id, inner));
        assert!(outer.iter().all(|name| name.len() <= 15), "{outer:?}");
        let distinct = outer.iter().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(distinct.len(), inner.len());
        assert_eq!(bridge_mac(id), [0x0a, 0x01, 0x23, 0x45, 0x67, 0x89]);
    }

    fn subnet(gateway: Option<&str>) -> Subnet {
        Subnet {
            network: "10.0.0.0/8".parse().unwrap(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        }
    }

    #[test]
    fn the_way_out_is_by_the_first_network_that_leads_there() {
        let network = |id: &str, gateways: &[Option<&str>], internal| NetworkPlan {
            id: id.to_owned(),
            name: id.to_owned(),
            bridge: id.to_owned(),
            subnets: gateways.iter().map(|gateway| subnet(*gateway)).collect(),
            ipv6: false,
            internal,
            mtu: None,
            isolate: false,
            dns_enabled: false,
            dns_servers: Vec::new(),
            routes: Vec::new(),
        };
        let attachment = |network: &str, interface: &str, addresses: &[&str]| Attachment {
            network: network.to_owned(),
            interface: interface.to_owned(),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            mac: "02:00:00:00:00:01".parse().unwrap(),
            aliases: Vec::new(),
        };
        let way = |interface: &str, gateway: &str| WayOut {
            interface: interface.to_owned(),
            gateway: gateway.parse().unwrap(),
        };
        let mut plan = ConnectionPlan {
            networks: vec![
                network("inner", &[Some("10.1.0.1")], true),
                network("none", &[None], false),
                network("four", &[Some("10.3.0.1")], false),
                network("both", &[Some("10.4.0.1"), Some("fd04::1")], false),
            ],
            attachments: vec![
                attachment("inner", "eth0", &["10.1.0.2/24"]),
                attachment("none", "eth1", &["10.2.0.2/24"]),
                attachment("four", "eth2", &["10.3.0.2/24"]),
                attachment("both", "lan", &["10.4.0.2/24", "fd04::2/64"]),
            ],
            ..ConnectionPlan::default()
        };
        let six = way("lan", "fd04::1");
        assert_eq!(ways_out(&plan), [way("eth2", "10.3.0.1"), six.clone()]);
        plan.attachments.remove(2);
        assert_eq!(ways_out(&plan), [way("lan", "10.4.0.1"), six]);
        plan.attachments.pop();
        assert_eq!(ways_out(&plan), []);
    }
}
