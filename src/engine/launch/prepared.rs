// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a start has prepared, as the monitor finds it, and what is done about it after the end.

use std::cell::{OnceCell, RefCell};
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use jiff::Timestamp;

use super::overlays::ThrowAway;
use crate::config::containers_conf::ContainersConf;
use crate::engine::cgroup::{self, ContainerCgroup, Wanted};
use crate::engine::connect::Connection;
use crate::engine::events::as_it_is_called_now;
use crate::engine::network;
use crate::engine::notify::OwnSocket;
use crate::engine::remove::remove_id_file;
use crate::engine::roots::FuseRoot;
use crate::engine::secret::SecretFile;
use crate::engine::volume::{self, Filling};
use crate::engine::{Dialect, Engine};
use crate::monitor::protocol::Framing;
use crate::network::helper::client::Listener;
use crate::runtime::idmap::HolderMap;
use crate::runtime::launch::{Launch, Root};
use crate::state::connection::{Attachment, PublishedPort};
use crate::state::dirs::Dirs;
use crate::state::events::{Action, Event};
use crate::state::record::ContainerRecord;
use crate::state::store::Store;
use crate::state::tree::remove_tree;
use crate::state::volumes::Volumes;

/// All that the monitor and the init stage need.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) dirs: Dirs,
    pub(super) dialect: Dialect,
    pub(super) record: ContainerRecord,
    pub(super) launch: Launch,
    pub(super) fuse: Option<FuseRoot>,
    /// Why the root is made as it is.
    pub(super) why: String,
    pub(super) holder: HolderMap,
    pub(super) run_root: PathBuf,
    pub(super) run_directory: PathBuf,
    /// Any directory: the root is attached over it in the container's own mount namespace.
    pub(super) mountpoint: PathBuf,
    pub(super) listener: Option<OwnedFd>,
    /// The socket by which it speaks to a service manager.
    pub(super) notify: Option<OwnSocket>,
    pub(super) connection: Connection,
    /// Set where another program may connect the container if the bridges cannot: nobody asked
    /// for them.
    pub(super) otherwise: Option<&'static ContainersConf>,
    /// Sockets of its published ports, until the network helper has them.
    pub(super) listeners: RefCell<Vec<Listener>>,
    /// Its cgroup: made before the fork, or by the monitor in a scope around itself.
    pub(super) cgroup: OnceCell<ContainerCgroup>,
    /// The scope that the monitor makes.
    pub(super) scope: Option<Wanted>,
    pub(super) terminal_size: Option<(u16, u16)>,
    /// Volumes that this start fills: nobody else may use them before it has.
    pub(super) filling: Filling,
    /// What is thrown away with each run.
    pub(super) overlays: Vec<ThrowAway>,
    /// Files of secrets, which still have to be given to those that they are for.
    pub(super) secrets: Vec<SecretFile>,
    /// The monitor of the container whose namespaces are joined.
    pub(super) joined_monitor: Option<i32>,
}

impl Prepared {
    /// How output travels to the command in the foreground.
    pub(super) fn framing(&self) -> Framing {
        if self.record.request.tty {
            Framing::Raw
        } else {
            Framing::Multiplexed
        }
    }

    pub(super) fn is_passthrough(&self) -> bool {
        self.record.resolved.log_driver.starts_with("passthrough")
    }

    pub(super) fn storage_engine(&self) -> &'static str {
        match &self.launch.root {
            Root::Kernel(_) | Root::Machine(_) => "kernel",
            Root::Fuse(_) => "fuse",
            Root::Hybrid(_) => "hybrid",
            Root::Directory(_) => "bind",
        }
    }

    /// What the container has in its networks.
    pub(super) fn attachments(&self) -> Vec<Attachment> {
        let bridges = self.connection.bridges.as_ref();
        bridges.map_or_else(Vec::new, |plan| plan.attachments.clone())
    }

    /// Its published ports.
    pub(super) fn ports(&self) -> Vec<PublishedPort> {
        self.connection.ports().to_vec()
    }

    /// Descriptors of the published ports. Those that a program binds itself are free from now on:
    /// they were bound to find out what is taken.
    pub(super) fn listener_numbers(&self) -> Vec<i32> {
        if self.connection.uplink.is_some() && self.connection.forwarded_to().is_none() {
            self.listeners.take();
        }
        let listeners = self.listeners.borrow();
        let sockets = listeners.iter().map(|listener| &listener.socket);
        sockets.map(AsRawFd::as_raw_fd).collect()
    }

    /// Volumes are filled by the first run of a start only.
    pub(super) fn forget_first_uses(&mut self) {
        let mounts = self.launch.spec.mounts_mut().iter_mut().flatten();
        for options in mounts.filter_map(|mount| mount.options_mut().as_mut()) {
            options.retain(|option| !volume::is_first_use(option));
        }
    }

    /// Gives back the addresses of the container.
    pub(super) fn release_addresses(&self) {
        network::give_back(&self.dirs, &self.record.id, &self.attachments());
    }

    /// Removes what a start that failed has made.
    pub(super) fn undo(&self) {
        self.release_addresses();
        if let Some(cgroup) = self.cgroup.get() {
            drop(cgroup::destroy(&cgroup.path));
        }
        drop(fs::remove_dir_all(&self.run_directory));
    }

    /// What is done after the end.
    pub(super) fn cleaning(&self, store: Store, waiter: Waiter) -> Cleaning {
        let takes_image = self.record.request.remove_image && waiter == Waiter::Nobody;
        let engine = || Engine {
            dirs: self.dirs.clone(),
            dialect: self.dialect,
            runtime_flags: Vec::new(),
            external: None,
        };
        Cleaning {
            image_remover: takes_image.then(engine),
            pod: self.record.resolved.pod.is_some().then(engine),
            store,
            record: self.record.clone(),
            run_directory: self.run_directory.clone(),
            cgroup_path: self
                .cgroup
                .get()
                .map(|c| c.path.clone())
                .unwrap_or_default(),
        }
    }
}

/// Who waits for the end of a container, and removes its image then (`--rmi`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiter {
    /// The command that started it.
    Client,
    /// It runs in the background: the image is the monitor's task.
    Nobody,
}

/// What the monitor removes after the end; a later command finishes what a dead monitor left.
#[derive(Debug)]
pub(super) struct Cleaning {
    store: Store,
    record: ContainerRecord,
    run_directory: PathBuf,
    cgroup_path: String,
    image_remover: Option<Engine>,
    pod: Option<Engine>,
}

impl Cleaning {
    /// The value is what comes when the container's lock is given back.
    pub(super) fn run(self) -> impl FnOnce() {
        drop(cgroup::destroy(&self.cgroup_path));
        drop(fs::remove_dir_all(&self.run_directory));
        let state = self.store.read_state(&self.record.id).unwrap_or_default();
        let comes_back = state.restarting;
        if !comes_back && !state.attachments.is_empty() {
            network::give_back(self.store.dirs(), &self.record.id, &state.attachments);
        }
        let called = as_it_is_called_now(&self.store, &self.record).into_owned();
        if self.record.request.auto_remove && !comes_back {
            drop(self.store.remove(&self.record.id));
            // The monitor has the right over files of the user's whole range.
            let volumes = Volumes::open(self.store.dirs());
            for left in volume::remove_files(&self.store, &volumes, &self.record) {
                drop(remove_tree(&left));
            }
            remove_id_file(&self.record);
            if let Some(engine) = self.image_remover {
                engine.remove_its_image_inside(&self.record.request.image);
            }
        }
        let gone = self.record.request.auto_remove && !comes_back;
        self.store.dirs().events.write(&[Event::of_container(
            &called,
            if gone {
                Action::Remove
            } else {
                Action::Cleanup
            },
        )]);
        let ending = self.pod.filter(|_| !comes_back);
        let record = self.record;
        move || {
            if let Some(engine) = ending {
                engine.end_pod_of(&record);
            }
        }
    }
}

/// What the runs before this one have left to tell.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Earlier {
    pub(super) restart_count: u32,
    pub(super) finished_at: Option<Timestamp>,
}
