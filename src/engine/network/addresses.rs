// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which addresses a container gets in a network. Each is leased: an address belongs to one
//! container until that one has ended, and nobody has to be alive to give it back.

use std::net::IpAddr;

use super::subnets::{next, usable};
use crate::state::connection::{Attachment, Mac, NetworkRequest, Prefix};
use crate::state::id::ContainerId;
use crate::state::leases::{Lease, Leases};
use crate::state::networks::{IpamDriver, LeasedSubnet, NetworkRecord};
use crate::sys::SysError;

/// An address that cannot be had. The words that scripts search for are podman's.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Somebody has it.
    #[error("requested ip address {address} is already allocated to container ID {holder}")]
    Taken {
        /// Which.
        address: IpAddr,
        /// Whose it is.
        holder: ContainerId,
    },
    /// The bridge has it.
    #[error("requested ip address {address} is the gateway of network {network}")]
    IsGateway {
        /// Which.
        address: IpAddr,
        /// Of which network.
        network: String,
    },
    /// Not of this network.
    #[error("requested static ip {address} not in any subnet on network {network}")]
    Outside {
        /// Which.
        address: IpAddr,
        /// Which network.
        network: String,
    },
    /// All are taken.
    #[error("failed to find free IP in range: {first} - {last} of network {network}")]
    NoneFree {
        /// The first that was looked at.
        first: IpAddr,
        /// The last.
        last: IpAddr,
        /// Which network.
        network: String,
    },
    /// A subnet without room for a container.
    #[error("subnet {subnet} of network {network} has no address for a container")]
    TooSmall {
        /// Which.
        subnet: Prefix,
        /// Of which network.
        network: String,
    },
    /// A group address, or none at all.
    #[error(
        "hardware address {mac}: Cannot assign requested address: it is not the address of one \
         interface"
    )]
    NoUnicastMac {
        /// As asked for.
        mac: Mac,
    },
    /// Somebody has it.
    #[error("hardware address {mac} is already used in network {network} by container ID {holder}")]
    MacTaken {
        /// Which.
        mac: Mac,
        /// Where.
        network: String,
        /// Whose it is.
        holder: ContainerId,
    },
    /// The leases.
    #[error("lease an address of network {network}")]
    Files {
        /// Which network.
        network: String,
        /// What the kernel said.
        source: SysError,
    },
}

/// One container that is to take part in one network.
#[derive(Debug)]
pub(super) struct Joining<'a> {
    pub(super) network: &'a NetworkRecord,
    pub(super) request: &'a NetworkRequest,
    pub(super) id: &'a ContainerId,
    /// What it had there last time: it gets the same again if nobody else has it.
    pub(super) previous: Option<&'a Attachment>,
}

/// The addresses of a container in one network, taken together or not at all.
pub(super) fn lease(
    leases: &Leases,
    joining: &Joining<'_>,
    is_gone: &mut dyn FnMut(&ContainerId) -> bool,
) -> Result<(Vec<Prefix>, Mac), AddressError> {
    let mut taken = Taken {
        leases,
        joining,
        is_gone,
        names: Vec::new(),
    };
    let result = taken.addresses().and_then(|addresses| {
        let mac = taken.mac(&addresses)?;
        Ok((addresses, mac))
    });
    if result.is_err() {
        for name in &taken.names {
            // What stays is given back with the container.
            drop(leases.release(name, joining.id));
        }
    }
    result
}

/// Gives back what a container has in one network.
pub(super) fn release(leases: &Leases, attachment: &Attachment, id: &ContainerId) {
    let addresses = attachment.addresses.iter();
    let names = addresses.map(|prefix| prefix.address.to_string());
    for name in names.chain([attachment.mac.to_string()]) {
        // Whoever wants it finds out that its holder is gone.
        drop(leases.release(&name, id));
    }
}

struct Taken<'a> {
    leases: &'a Leases,
    joining: &'a Joining<'a>,
    is_gone: &'a mut dyn FnMut(&ContainerId) -> bool,
    names: Vec<String>,
}

impl Taken<'_> {
    fn take(&mut self, name: String) -> Result<Lease, AddressError> {
        let joining = self.joining;
        let lease = self.leases.take(&name, joining.id, self.is_gone);
        let lease = lease.map_err(|source| AddressError::Files {
            network: joining.network.name.clone(),
            source,
        })?;
        if lease == Lease::Taken {
            self.names.push(name);
        }
        Ok(lease)
    }

    fn addresses(&mut self) -> Result<Vec<Prefix>, AddressError> {
        let network = self.joining.network;
        if network.ipam == IpamDriver::None {
            return Ok(Vec::new());
        }
        let asked = &self.joining.request.addresses;
        let outside = |address: &&IpAddr| {
            let mut subnets = network.subnets.iter();
            !subnets.any(|subnet| subnet.network.contains(**address))
        };
        if let Some(address) = asked.iter().find(outside) {
            return Err(AddressError::Outside {
                address: *address,
                network: network.name.clone(),
            });
        }
        let mut addresses = Vec::new();
        for (number, subnet) in network.subnets.iter().enumerate() {
            let mut wanted = asked.iter().filter(|one| subnet.network.contains(**one));
            let address = match wanted.next() {
                Some(address) => self.wanted(*address, subnet)?,
                None => self.chosen(number, subnet)?,
            };
            addresses.push(Prefix::new(address, subnet.network.length));
        }
        Ok(addresses)
    }

    fn wanted(&mut self, address: IpAddr, subnet: &LeasedSubnet) -> Result<IpAddr, AddressError> {
        if subnet.gateway == Some(address) {
            return Err(AddressError::IsGateway {
                address,
                network: self.joining.network.name.clone(),
            });
        }
        match self.take(address.to_string())? {
            Lease::Taken => Ok(address),
            Lease::HeldBy(holder) => Err(AddressError::Taken { address, holder }),
        }
    }

    /// The one that it had, or the first free one behind the one that was given last.
    fn chosen(&mut self, number: usize, subnet: &LeasedSubnet) -> Result<IpAddr, AddressError> {
        let network = &self.joining.network.name;
        let range = subnet.range.or_else(|| usable(subnet.network));
        let (first, last) = range.ok_or_else(|| AddressError::TooSmall {
            subnet: subnet.network,
            network: network.clone(),
        })?;
        let fits =
            |address: &IpAddr| (first..=last).contains(address) && subnet.gateway != Some(*address);
        let had = self.joining.previous.into_iter();
        let had = had.flat_map(|previous| &previous.addresses);
        let had: Vec<IpAddr> = had.map(|prefix| prefix.address).filter(fits).collect();
        for address in had {
            if self.take(address.to_string())? == Lease::Taken {
                return Ok(address);
            }
        }
        let given = self.leases.last_given(number).filter(fits);
        let start = given.and_then(next).filter(fits).unwrap_or(first);
        let mut address = start;
        loop {
            if fits(&address) && self.take(address.to_string())? == Lease::Taken {
                // Only what comes next depends on it.
                drop(self.leases.set_last_given(number, address));
                return Ok(address);
            }
            address = next(address).filter(|one| *one <= last).unwrap_or(first);
            if address == start {
                return Err(AddressError::NoneFree {
                    first,
                    last,
                    network: network.clone(),
                });
            }
        }
    }

    /// The one that was asked for, or one made of the address, which is unique in the network.
    fn mac(&mut self, addresses: &[Prefix]) -> Result<Mac, AddressError> {
        if let Some(mac) = self.joining.request.mac {
            if mac.0[0] & 1 == 1 || mac.0 == [0; 6] {
                return Err(AddressError::NoUnicastMac { mac });
            }
            return match self.take(mac.to_string())? {
                Lease::Taken => Ok(mac),
                Lease::HeldBy(holder) => Err(AddressError::MacTaken {
                    mac,
                    network: self.joining.network.name.clone(),
                    holder,
                }),
            };
        }
        let mut mac = derived_mac(addresses, self.joining.id);
        while self.take(mac.to_string())? != Lease::Taken {
            mac = Mac(mac.0.map(|octet| octet.wrapping_add(4)));
            mac.0[0] = 0x06;
        }
        Ok(mac)
    }
}

/// A locally administered address: as docker's, with the IPv4 address behind two octets, or with
/// bytes of the container's id where there is none.
fn derived_mac(addresses: &[Prefix], id: &ContainerId) -> Mac {
    let v4 = addresses.iter().find_map(|prefix| match prefix.address {
        IpAddr::V4(address) => Some(address.octets()),
        IpAddr::V6(_) => None,
    });
    let [first, second, third, fourth] = v4.unwrap_or_else(|| {
        let bytes = id.to_bytes();
        [bytes[0], bytes[1], bytes[2], bytes[3]]
    });
    let kind = if v4.is_some() { 0x42 } else { 0x43 };
    Mac([0x02, kind, first, second, third, fourth])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::network::default_network;
    use crate::state::dirs::Dirs;
    use crate::state::networks::Networks;

    struct Room {
        _directory: tempfile::TempDir,
        network: NetworkRecord,
        leases: Leases,
    }

    fn room(subnets: &[&str], range: Option<(&str, &str)>) -> Room {
        let directory = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(directory.path().join("d"), directory.path().join("r"));
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        let subnet = |text: &&str| {
            let network = text.parse::<Prefix>().unwrap();
            LeasedSubnet {
                range: range.map(|(first, last)| (parse(first), parse(last))),
                ..super::super::subnets::with_gateway(network)
            }
        };
        Room {
            network: NetworkRecord {
                subnets: subnets.iter().map(subnet).collect(),
                ..default_network()
            },
            leases: Networks::open(&dirs).leases("web").unwrap(),
            _directory: directory,
        }
    }

    impl Room {
        fn lease(
            &self,
            number: u8,
            request: &NetworkRequest,
            previous: Option<&Attachment>,
            gone: &[u8],
        ) -> Result<String, String> {
            let id = |byte: u8| ContainerId::from_random(&[byte; 32]);
            let joining = Joining {
                network: &self.network,
                request,
                id: &id(number),
                previous,
            };
            let gone: Vec<ContainerId> = gone.iter().map(|one| id(*one)).collect();
            let result = lease(&self.leases, &joining, &mut |holder| gone.contains(holder));
            let texts = result.map(|(addresses, mac)| {
                let texts = addresses.iter().map(Prefix::to_string);
                texts.chain([mac.to_string()]).collect::<Vec<_>>().join(" ")
            });
            texts.map_err(|error| error.to_string())
        }

        fn any(&self, number: u8) -> Result<String, String> {
            self.lease(number, &NetworkRequest::default(), None, &[])
        }
    }

    fn wanting(address: &str) -> NetworkRequest {
        NetworkRequest {
            addresses: vec![address.parse().unwrap()],
            ..NetworkRequest::default()
        }
    }

    #[test]
    fn each_gets_the_next_address_and_nobody_the_same() {
        let room = room(&["10.89.0.0/29", "fd00:9::/64"], None);
        let first = "10.89.0.2/29 fd00:9::2/64 02:42:0a:59:00:02";
        assert_eq!(room.any(1).as_deref(), Ok(first));
        assert_eq!(
            room.any(2).unwrap(),
            "10.89.0.3/29 fd00:9::3/64 02:42:0a:59:00:03"
        );
        // The one who had it gets it again; another gets it only when its holder is gone.
        let previous = Attachment {
            network: room.network.id.clone(),
            interface: "eth0".to_owned(),
            addresses: vec![
                "10.89.0.2/29".parse().unwrap(),
                "fd00:9::2/64".parse().unwrap(),
            ],
            mac: "02:42:0a:59:00:02".parse().unwrap(),
            aliases: Vec::new(),
        };
        let plain = NetworkRequest::default();
        assert_eq!(
            room.lease(1, &plain, Some(&previous), &[]).as_deref(),
            Ok(first)
        );
        for number in 3..=5 {
            room.any(number).unwrap();
        }
        let full = "failed to find free IP in range: 10.89.0.1 - 10.89.0.6 of network podman";
        assert_eq!(room.any(6).unwrap_err(), full);
        let freed = room.lease(6, &plain, None, &[3]).unwrap();
        assert!(freed.starts_with("10.89.0.4/29 "), "{freed}");
        release(&room.leases, &previous, &ContainerId::from_random(&[1; 32]));
        assert!(room.any(7).unwrap().starts_with("10.89.0.2/29 "));
    }

    #[test]
    fn a_wanted_address_is_had_or_refused() {
        let room = room(&["10.89.0.0/24"], Some(("10.89.0.20", "10.89.0.30")));
        assert!(room.any(1).unwrap().starts_with("10.89.0.20/24 "));
        let outside_of_the_range = room.lease(2, &wanting("10.89.0.7"), None, &[]);
        assert_eq!(
            outside_of_the_range.unwrap(),
            "10.89.0.7/24 02:42:0a:59:00:07"
        );
        let holder = ContainerId::from_random(&[2; 32]);
        let cases = [
            (
                "10.89.0.7",
                format!(
                    "requested ip address 10.89.0.7 is already allocated to container ID {holder}"
                ),
            ),
            (
                "10.89.0.1",
                "requested ip address 10.89.0.1 is the gateway of network podman".to_owned(),
            ),
            (
                "10.90.0.1",
                "requested static ip 10.90.0.1 not in any subnet on network podman".to_owned(),
            ),
        ];
        for (address, words) in cases {
            assert_eq!(
                room.lease(3, &wanting(address), None, &[]).unwrap_err(),
                words
            );
        }
    }

    #[test]
    fn hardware_addresses_are_unique_as_well() {
        let room = room(&["10.89.0.0/24"], None);
        let with_mac = |mac: &str| NetworkRequest {
            mac: Some(mac.parse().unwrap()),
            ..NetworkRequest::default()
        };
        let first = room.lease(1, &with_mac("02:42:0a:59:00:03"), None, &[]);
        assert_eq!(first.unwrap(), "10.89.0.2/24 02:42:0a:59:00:03");
        let same = room
            .lease(2, &with_mac("02:42:0a:59:00:03"), None, &[])
            .unwrap_err();
        assert!(same.contains("is already used in network podman"), "{same}");
        // The failed one kept nothing, and a derived address gives way.
        let derived = room.lease(3, &wanting("10.89.0.3"), None, &[]).unwrap();
        assert!(derived.starts_with("10.89.0.3/24 06:"), "{derived}");
        for mac in ["00:00:00:00:00:00", "01:00:5e:00:00:01"] {
            let refused = room.lease(4, &with_mac(mac), None, &[]).unwrap_err();
            assert!(
                refused.contains("Cannot assign requested address"),
                "{refused}"
            );
        }
    }
}
