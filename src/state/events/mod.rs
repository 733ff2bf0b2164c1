// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What has happened to containers, images, volumes and the rest: one event is one line of JSON in
//! the form of Podman's file backend, so that its tools read ours and we read its.
//!
//! ```text
//! events/events.log        the lines, oldest first; `engine.events_logfile_path` names another
//! events/events.log.tmp    the next log, while the old one is shortened
//! ```
//!
//! Writers open, append and close, and take no lock: what keeps a line whole is O_APPEND. Nothing
//! is synced: an event is news, not a record.

mod log;

pub use log::{CreateDetail, EventLog, LOG_BYTES_MAX, ROTATION, ROTATION_BEGINS};

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::record::ContainerRecord;

/// An enum of words that are written and read as they are.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$item_doc])* $item,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$item,)*];

            /// The word for it.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$item => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.word())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                let known = Self::ALL.iter().find(|one| one.word() == word);
                known
                    .copied()
                    .ok_or_else(|| serde::de::Error::custom(format_args!("unknown word {word:?}")))
            }
        }
    };
}

words! {
    /// What an event is about.
    Kind {
        /// A container.
        Container = "container",
        /// An image.
        Image = "image",
        /// A network, or a container's place in one.
        Network = "network",
        /// A pod.
        Pod = "pod",
        /// The whole store.
        System = "system",
        /// A volume.
        Volume = "volume",
        /// A secret.
        Secret = "secret",
    }
}

words! {
    /// What happened, in Podman's words.
    Action {
        /// A command carries its streams.
        Attach = "attach",
        /// It was updated by itself.
        AutoUpdate = "auto-update",
        /// It was built.
        Build = "build",
        /// It was written to disk as it ran.
        Checkpoint = "checkpoint",
        /// What its end left was removed.
        Cleanup = "cleanup",
        /// An image was made of it.
        Commit = "commit",
        /// It was connected to a network.
        Connect = "connect",
        /// Files were copied.
        Copy = "copy",
        /// It was made.
        Create = "create",
        /// Its first process ended.
        Died = "died",
        /// It was disconnected from a network.
        Disconnect = "disconnect",
        /// A command runs in it.
        Exec = "exec",
        /// A command in it ended.
        ExecDied = "exec_died",
        /// Its files were written to an archive.
        Export = "export",
        /// A health check has a result.
        HealthStatus = "health_status",
        /// Its history was shown.
        History = "history",
        /// It was made from an archive.
        Import = "import",
        /// It is set up and about to start.
        Init = "init",
        /// It was sent a signal.
        Kill = "kill",
        /// It came from an archive.
        LoadFromArchive = "loadfromarchive",
        /// The log of events was shortened.
        LogRotation = "log-rotation",
        /// Its files can be reached.
        Mount = "mount",
        /// A process of it was killed for want of memory.
        Oom = "oom",
        /// It stands still.
        Pause = "pause",
        /// It was removed because nobody used it.
        Prune = "prune",
        /// It came from a registry, or was looked for and was there.
        Pull = "pull",
        /// It did not come from a registry.
        PullError = "pull-error",
        /// It was sent to a registry.
        Push = "push",
        /// The state was looked through after a reboot.
        Refresh = "refresh",
        /// It is gone.
        Remove = "remove",
        /// It has another name.
        Rename = "rename",
        /// Its locks were numbered anew.
        Renumber = "renumber",
        /// It is started again.
        Restart = "restart",
        /// It goes on where it was written to disk.
        Restore = "restore",
        /// It was written to an archive.
        Save = "save",
        /// Its first process runs.
        Start = "start",
        /// It was asked to end, and did.
        Stop = "stop",
        /// Its state was compared with the runtime's.
        Sync = "sync",
        /// It has one more name.
        Tag = "tag",
        /// Its files can no longer be reached.
        Unmount = "unmount",
        /// It goes on.
        Unpause = "unpause",
        /// It has one name less.
        Untag = "untag",
        /// Its limits were changed.
        Update = "update",
    }
}

/// One event. The order and the names of the fields are those of Podman's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The exit code, of what has ended.
    #[serde(
        rename = "ContainerExitCode",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub exit_code: Option<i32>,
    /// The id of what it is about; a network's event about a container has the container's.
    #[serde(rename = "ID", default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The image of a container.
    #[serde(rename = "Image", default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// The name of what it is about.
    #[serde(rename = "Name", default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The name of a network.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub network: String,
    /// What happened.
    #[serde(rename = "Status")]
    pub action: Action,
    /// When.
    #[serde(rename = "Time")]
    pub time: Timestamp,
    /// What it is about.
    #[serde(rename = "Type")]
    pub kind: Kind,
    /// The result of a health check: `healthy`, `unhealthy`, `starting`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub health_status: String,
    /// What a health check printed, as JSON.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub health_log: String,
    /// How many health checks failed in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_failing_streak: Option<u32>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// What inspect says of a new container, where that is asked for.
    #[serde(
        rename = "ContainerInspectData",
        default,
        skip_serializing_if = "String::is_empty"
    )]
    pub inspect_data: String,
    /// The pod of a container.
    #[serde(rename = "PodID", default, skip_serializing_if = "String::is_empty")]
    pub pod: String,
    /// Labels of a container, and what else there is to say.
    #[serde(rename = "Attributes", default)]
    pub attributes: Option<BTreeMap<String, String>>,
}

impl Event {
    /// An event of now.
    pub fn new(kind: Kind, action: Action) -> Self {
        Self {
            exit_code: None,
            id: String::new(),
            image: String::new(),
            name: String::new(),
            network: String::new(),
            action,
            time: Timestamp::now(),
            kind,
            health_status: String::new(),
            health_log: String::new(),
            health_failing_streak: None,
            error: String::new(),
            inspect_data: String::new(),
            pod: String::new(),
            attributes: None,
        }
    }

    /// An event of a container: with its image, its pod and its labels.
    pub fn of_container(record: &ContainerRecord, action: Action) -> Self {
        let resolved = &record.resolved;
        let labels = &resolved.labels;
        Self {
            id: record.id.to_string(),
            image: resolved.image_name.clone(),
            name: record.name.clone(),
            pod: resolved
                .pod
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            attributes: (!labels.is_empty()).then(|| labels.clone()),
            ..Self::new(Kind::Container, action)
        }
    }

    /// An event of an image: `name` is what was typed, or where it went.
    pub fn of_image(id: &str, name: &str, action: Action) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            ..Self::new(Kind::Image, action)
        }
    }

    /// An event of a volume.
    pub fn of_volume(name: &str, action: Action) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::new(Kind::Volume, action)
        }
    }

    /// An event of a pod.
    pub fn of_pod(id: &str, name: &str, action: Action) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            ..Self::new(Kind::Pod, action)
        }
    }

    /// An event of a network itself.
    pub fn of_network(id: &str, name: &str, driver: &str, action: Action) -> Self {
        Self {
            id: id.to_owned(),
            network: name.to_owned(),
            ..Self::new(Kind::Network, action)
        }
        .with("driver", driver)
    }

    /// A container comes into a network, or leaves it.
    pub fn of_member(record: &ContainerRecord, network: &str, action: Action) -> Self {
        Self {
            id: record.id.to_string(),
            name: record.name.clone(),
            network: network.to_owned(),
            ..Self::new(Kind::Network, action)
        }
    }

    /// An event of a secret.
    pub fn of_secret(id: &str, action: Action) -> Self {
        Self {
            id: id.to_owned(),
            ..Self::new(Kind::Secret, action)
        }
    }

    /// The same with an exit code.
    #[must_use]
    pub fn with_exit_code(self, code: i32) -> Self {
        Self {
            exit_code: Some(code),
            ..self
        }
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let attributes = self.attributes.get_or_insert_default();
        attributes.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Reads a line of the log. A line that a crash or a full disk has cut short may have others
    /// right behind it: the last one counts.
    pub fn read(line: &[u8]) -> Option<Self> {
        if let Ok(event) = serde_json::from_slice(line) {
            return Some(event);
        }
        let starts = memchr::memmem::rfind_iter(line, b"{\"");
        let mut whole = starts.filter_map(|start| serde_json::from_slice(&line[start..]).ok());
        whole.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_podmans() {
        let mut event = Event::of_network("ab", "net", "bridge", Action::Create).with_exit_code(3);
        event.time = "2022-04-06T11:26:42.7236679Z".parse().unwrap();
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(
            line,
            r#"{"ContainerExitCode":3,"ID":"ab","network":"net","Status":"create","Time":"2022-04-06T11:26:42.7236679Z","Type":"network","Attributes":{"driver":"bridge"}}"#
        );
        assert_eq!(Event::read(line.as_bytes()), Some(event));
    }

    #[test]
    fn lines_are_read_behind_what_was_cut_short() {
        let whole = br#"{"Name":"busybox","Status":"pull","Time":"2022-04-06T11:26:42.723667900+02:00","Type":"image","Attributes":null}"#;
        let of = |start: &[u8]| Event::read(&[start, whole].concat());
        assert_eq!(of(b"").unwrap().name, "busybox");
        assert_eq!(
            of(b"{\"Name\":\"x\",\"Attributes\":{\"a\":\"b")
                .unwrap()
                .name,
            "busybox"
        );
        for nothing in [
            &b""[..],
            b"{",
            b"{\"Name\":\"x\"",
            b"{\"Status\":\"yawn\",\"Time\":\"2022-04-06T11:26:42Z\",\"Type\":\"image\"}",
        ] {
            assert_eq!(Event::read(nothing), None);
        }
    }
}
