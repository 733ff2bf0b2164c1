// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags of `run` and `create`, split by topic, and what they ask of a new container.
//!
//! Each topic is a clap group and a function that writes it into a
//! [`ContainerRequest`](crate::state::record::ContainerRequest): pure but for files that a flag
//! names, so that its grammar is tested as a table.

mod create;
pub(crate) mod environment;
mod force;
mod globs;
mod health;
mod image;
mod lifecycle;
pub(crate) mod list;
mod logging;
mod mount_flag;
mod mount_options;
mod mounts;
mod namespaces;
mod network;
mod pod;
pub(crate) mod process;
pub(crate) mod registry;
mod resources;
mod secrets;
mod security;
mod update;

pub(crate) use create::{Caller, CreateArgs, NOT_YET, Notice};
pub(crate) use force::Force;
pub(crate) use image::ImageArgs;
pub(crate) use pod::PodCreateArgs;
pub(crate) use update::UpdateArgs;

use std::collections::BTreeMap;

use super::pflag::parse_bool;

/// Whose a namespace is, as far as flags tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Namespace {
    /// The container's own: it can be sized and tuned.
    Own,
    /// The host's or another container's.
    Shared,
}

/// Reads a truth value for clap.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    parse_bool(text).ok_or_else(|| format!("strconv.ParseBool: parsing \"{text}\": invalid syntax"))
}

/// `KEY=VALUE` texts, of which a later one replaces an earlier; a key alone has an empty value.
pub(crate) fn pairs(texts: &[String]) -> BTreeMap<String, String> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        (key.to_owned(), value.to_owned())
    };
    texts.iter().map(pair).collect()
}
