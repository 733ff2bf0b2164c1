// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a network cannot be made.

use std::net::IpAddr;

use crate::state::connection::{Prefix, PrefixError};

/// Why a network cannot be made. The words are podman's.
#[derive(Debug, thiserror::Error)]
pub enum CreateNetworkError {
    /// A name that means something else.
    #[error(
        "cannot create network with name \"{name}\" because it conflicts with a valid network mode"
    )]
    ModeName {
        /// As typed.
        name: String,
    },
    /// A driver that needs root.
    #[error(
        "network driver {driver} needs an interface of the host, which an ordinary user cannot \
         give away; bridge works"
    )]
    DriverNeedsRoot {
        /// As typed.
        driver: String,
    },
    /// A driver that nobody knows.
    #[error("unsupported network driver {driver}")]
    Driver {
        /// As typed.
        driver: String,
    },
    /// An address management that is not there.
    #[error("unsupported ipam driver {driver}")]
    Ipam {
        /// As typed.
        driver: String,
    },
    /// `--subnet`.
    #[error(transparent)]
    Subnet(#[from] PrefixError),
    /// Another network or the host has it.
    #[error("subnet {subnet} is already used on the host or by another config")]
    SubnetUsed {
        /// Which.
        subnet: Prefix,
    },
    /// Everything is taken.
    #[error("could not find free subnet from subnet pools")]
    NoFreeSubnet,
    /// `--gateway`.
    #[error("gateway {gateway} not in subnet {subnet}")]
    Gateway {
        /// Which.
        gateway: IpAddr,
        /// Of which.
        subnet: Prefix,
    },
    /// An address that is none.
    #[error("invalid argument \"{text}\" for \"--{flag}\": failed to parse IP: \"{text}\"")]
    Address {
        /// The flag.
        flag: &'static str,
        /// As typed.
        text: String,
    },
    /// `--ip-range`.
    #[error("range {end} ip \"{text}\" is not a ip address")]
    RangeEnd {
        /// `start` or `end`.
        end: &'static str,
        /// As typed.
        text: String,
    },
    /// `--ip-range`.
    #[error("lease range {end} ip {address} not in subnet {subnet}")]
    RangeOutside {
        /// `start` or `end`.
        end: &'static str,
        /// Which.
        address: IpAddr,
        /// Of which.
        subnet: Prefix,
    },
    /// `--route`.
    #[error(
        "invalid route: {text}\nFormat: --route <destination in CIDR>,<gateway>,<metric (optional)>"
    )]
    Route {
        /// As typed.
        text: String,
    },
    /// A part of `--route`.
    #[error("invalid route {part} {text}")]
    RoutePart {
        /// Which.
        part: &'static str,
        /// As typed.
        text: String,
    },
    /// `--opt` that nobody knows.
    #[error("unsupported bridge network option {key}")]
    Option {
        /// Which.
        key: String,
    },
    /// `--opt` with a value that it cannot have.
    #[error("network option {key}={value}: {reason}")]
    OptionValue {
        /// Which.
        key: String,
        /// As typed.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `--interface-name`.
    #[error("network interface name {name} invalid: {reason}: invalid argument")]
    Interface {
        /// As typed.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Another network's bridge is called like this.
    #[error("bridge name {name} already in use")]
    InterfaceUsed {
        /// As typed.
        name: String,
    },
    /// `--dns` without names.
    #[error("cannot set NetworkDNSServers if DNS is not enabled for the network: invalid argument")]
    ServersWithoutDns,
}
