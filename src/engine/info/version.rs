// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What this program is: its own version, and the levels of the interfaces that it answers to.

use std::fs;

use jiff::Timestamp;
use serde::Serialize;

use crate::oci::Platform;

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The release of podman whose commands, documents and words are answered.
pub const PODMAN_LEVEL: &str = "5.8.2";

/// The version of Docker's API whose documents are answered, and the oldest that its clients of
/// today still speak.
pub const DOCKER_API: &str = "1.47";
const DOCKER_API_LEAST: &str = "1.24";

/// The language in the place where others name their Go.
const LANGUAGE: &str = concat!("none (Rust ", env!("CARGO_PKG_RUST_VERSION"), ")");

/// Podman's document of a version.
#[derive(Debug, Clone, Serialize)]
#[serde(rename = "define.Version", rename_all = "PascalCase")]
pub struct Version {
    /// The level of podman's interface.
    #[serde(rename = "APIVersion")]
    pub api_version: &'static str,
    /// This program's version.
    pub version: &'static str,
    /// The language it is written in.
    pub go_version: &'static str,
    /// The commit; released sources know none.
    pub git_commit: &'static str,
    /// When the program was built, in the form of asctime(3).
    pub built_time: String,
    /// The same in seconds since 1970.
    pub built: i64,
    /// `linux/amd64`.
    pub os_arch: String,
    /// `linux`.
    pub os: String,
}

/// Docker's document of a client.
#[derive(Debug, Clone, Serialize)]
#[serde(rename = "system.clientVersion", rename_all = "PascalCase")]
pub struct DockerClient {
    #[serde(rename = "Platform,Platform,omitempty")]
    platform: Option<DockerPlatform>,
    version: &'static str,
    /// Scripts of both spellings exist.
    #[serde(rename = "ApiVersion")]
    api_version: &'static str,
    #[serde(rename = "APIVersion,-")]
    podman_spelling: &'static str,
    #[serde(rename = "DefaultAPIVersion")]
    default_api_version: &'static str,
    git_commit: &'static str,
    go_version: &'static str,
    os: String,
    arch: String,
    build_time: String,
    context: &'static str,
}

/// Docker's document of a daemon: here the same program.
#[derive(Debug, Clone, Serialize)]
#[serde(rename = "types.Version", rename_all = "PascalCase")]
pub struct DockerServer {
    platform: DockerPlatform,
    version: &'static str,
    #[serde(rename = "ApiVersion")]
    api_version: &'static str,
    #[serde(rename = "APIVersion,-")]
    podman_spelling: &'static str,
    #[serde(rename = "MinAPIVersion")]
    least_api_version: &'static str,
    git_commit: &'static str,
    go_version: &'static str,
    os: String,
    arch: String,
    kernel_version: String,
    experimental: bool,
    build_time: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename = "types.Platform", rename_all = "PascalCase")]
struct DockerPlatform {
    name: &'static str,
}

/// This program in podman's words.
pub fn version() -> Version {
    let built = built();
    let platform = Platform::host();
    Version {
        api_version: PODMAN_LEVEL,
        version: VERSION,
        go_version: LANGUAGE,
        git_commit: "",
        built_time: local(built).strftime("%a %b %e %H:%M:%S %Y").to_string(),
        built: built.as_second(),
        os_arch: format!("{}/{}", platform.os, platform.architecture),
        os: platform.os,
    }
}

/// This program in the words of Docker's client and of its daemon.
pub fn docker_version() -> (DockerClient, DockerServer) {
    let platform = Platform::host();
    let build_time = local(built()).strftime("%a %b %e %H:%M:%S %Y").to_string();
    let client = DockerClient {
        platform: None,
        version: VERSION,
        api_version: DOCKER_API,
        podman_spelling: DOCKER_API,
        default_api_version: DOCKER_API,
        git_commit: "",
        go_version: LANGUAGE,
        os: platform.os.clone(),
        arch: platform.architecture.clone(),
        build_time: build_time.clone(),
        context: "default",
    };
    let server = DockerServer {
        platform: DockerPlatform { name: "coracle" },
        version: VERSION,
        api_version: DOCKER_API,
        podman_spelling: DOCKER_API,
        least_api_version: DOCKER_API_LEAST,
        git_commit: "",
        go_version: LANGUAGE,
        os: platform.os,
        arch: platform.architecture,
        kernel_version: crate::sys::kernel::release(),
        experimental: false,
        build_time,
    };
    (client, server)
}

/// When the program's file was written: a build keeps no time of its own, so that equal sources
/// give equal programs.
fn built() -> Timestamp {
    let modified = fs::metadata("/proc/self/exe").and_then(|file| file.modified());
    let moment = modified
        .ok()
        .and_then(|time| Timestamp::try_from(time).ok());
    moment.unwrap_or(Timestamp::UNIX_EPOCH)
}

fn local(moment: Timestamp) -> jiff::Zoned {
    moment.to_zoned(jiff::tz::TimeZone::system())
}
