// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a new container becomes part of a pod: what the pod shares is joined, what it gives all of
//! its containers is taken over. The result is an ordinary request.

use super::spec::{InfraSpec, PodCreateError, PodSpec};
use crate::engine::create::CreateError;
use crate::engine::error::EngineError;
use crate::engine::launch::StartMode;
use crate::engine::{Engine, Report};
use crate::state::StateError;
use crate::state::atomic::Durability;
use crate::state::dirs::Dirs;
use crate::state::id::{ContainerId, PodId};
use crate::state::pod::{PodRecord, PodRequest, Pods, PodsLock, SharedNamespace};
use crate::state::record::{ContainerRecord, ContainerRequest, PodRole, RecordedMaps};
use crate::state::store::ContainerLock;

/// What `--pod` asks for a new pod with.
const NEW: &str = "new:";

/// Why a container cannot be part of a pod.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// There is no such pod.
    #[error(transparent)]
    State(#[from] StateError),
    /// The new pod could not be made.
    #[error(transparent)]
    NewPod(Box<PodCreateError>),
    /// Its infra container was removed behind its back, or never made.
    #[error(
        "pod {name} has no infra container any more: `pod rm --force {name}` removes what is left"
    )]
    InfraGone {
        /// The pod.
        name: String,
    },
    /// All that share something share the user namespace.
    #[error(
        "cannot set user namespace mode when joining pod with infra container: invalid argument"
    )]
    UserNamespace,
    /// The host name is the pod's.
    #[error(
        "invalid config provided: cannot set hostname when joining the pod UTS namespace: invalid \
         configuration"
    )]
    Hostname,
    /// The network is the pod's.
    #[error(
        "invalid config provided: {flag} must be defined when the pod is created: network cannot \
         be configured when it is shared with a pod"
    )]
    Network {
        /// What was to be set.
        flag: &'static str,
    },
    /// What would bring it out of the pod's cgroup.
    #[error(
        "--{flag} is not for pod {name}, which was created with limits: they hold for all of its \
         containers"
    )]
    Limited {
        /// What was asked for.
        flag: &'static str,
        /// The pod.
        name: String,
    },
    /// `--pid pod` where the pod shares none.
    #[error("--{kind} pod: the pod does not share this namespace: invalid argument")]
    NotShared {
        /// The flag.
        kind: &'static str,
    },
}

/// The place of a new container in a pod.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Membership {
    /// The pod.
    pub(in crate::engine) pod: Option<PodId>,
    /// What it is there.
    pub(in crate::engine) role: PodRole,
    /// The id that it has to have.
    pub(in crate::engine) id: Option<ContainerId>,
    /// What it has of the infra container.
    pub(in crate::engine) inherited: Inherited,
}

/// What a container has of its pod's infra container beside what its request says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::engine) struct Inherited {
    /// The host name, if that is shared.
    pub(in crate::engine) hostname: Option<String>,
    /// The ids that were chosen for the pod.
    pub(in crate::engine) id_maps: Option<RecordedMaps>,
}

impl Membership {
    pub(in crate::engine) fn is_infra(&self) -> bool {
        self.role == PodRole::Infra
    }

    /// Keeps the pod from being removed while the container is written; refuses when it has been.
    pub(in crate::engine) fn hold(&self, dirs: &Dirs) -> Result<PodsLock, StateError> {
        let pods = Pods::new(dirs);
        let lock = pods.lock()?;
        if let Some(pod) = &self.pod {
            pods.load(pod)?;
        }
        Ok(lock)
    }
}

impl Engine {
    /// As [`Engine::create_locked`], for a request with `--pod`.
    pub(in crate::engine) fn create_in_pod(
        &self,
        typed: &str,
        request: ContainerRequest,
        durability: Durability,
        report: &dyn Report,
    ) -> Result<(ContainerRecord, ContainerLock), CreateError> {
        let mut request = request;
        let Some(name) = typed.strip_prefix(NEW) else {
            let pod = self.pod(typed).map_err(JoinError::from)?;
            return self.create_beside(&pod, request, durability, report);
        };
        let spec = self.new_pod(name, &mut request)?;
        let pod = self
            .create_pod(spec, report)
            .map_err(|error| JoinError::NewPod(Box::new(error)))?;
        let created = self.create_beside(&pod, request, durability, report);
        if created.is_err() {
            self.discard_pod(&pod.id, report);
        }
        created
    }

    fn create_beside(
        &self,
        pod: &PodRecord,
        request: ContainerRequest,
        durability: Durability,
        report: &dyn Report,
    ) -> Result<(ContainerRecord, ContainerLock), CreateError> {
        let mut request = request;
        let infra = match &pod.infra {
            None => None,
            Some(id) => match self.store().and_then(|store| store.load(id)) {
                Err(StateError::NoSuchContainer { .. }) => {
                    let name = pod.name.clone();
                    return Err(JoinError::InfraGone { name }.into());
                }
                infra => Some(infra.map_err(JoinError::from)?),
            },
        };
        let inherited = match &infra {
            Some(infra) => share(pod, infra, &mut request)?,
            None => Inherited::default(),
        };
        refuse_unshared(&request)?;
        stay_limited(pod, &request)?;
        if request.restart.is_none() {
            request.restart.clone_from(&pod.request.restart);
        }
        let membership = Membership {
            pod: Some(pod.id.clone()),
            role: PodRole::Member,
            id: None,
            inherited,
        };
        self.create_member(request, Some(&membership), durability, report)
    }

    /// The pod that `--pod new:NAME` makes: the container's network and names become the pod's.
    fn new_pod(&self, name: &str, request: &mut ContainerRequest) -> Result<PodSpec, CreateError> {
        let conf = self.containers_conf()?;
        let infra = ContainerRequest {
            image: conf.engine.infra_image.clone().unwrap_or_default(),
            networks: std::mem::take(&mut request.networks),
            publish: std::mem::take(&mut request.publish),
            dns: std::mem::take(&mut request.dns),
            dns_search: std::mem::take(&mut request.dns_search),
            dns_option: std::mem::take(&mut request.dns_option),
            add_host: std::mem::take(&mut request.add_host),
            userns: request.userns.take(),
            uidmap: std::mem::take(&mut request.uidmap),
            gidmap: std::mem::take(&mut request.gidmap),
            ..ContainerRequest::default()
        };
        Ok(PodSpec {
            name: Some(name.to_owned()).filter(|name| !name.is_empty()),
            request: PodRequest {
                hostname: request.hostname.take(),
                shared: PodRequest::default_share(),
                exit_policy: self.exit_policy()?,
                create_command: request.create_command.clone(),
                ..PodRequest::default()
            },
            infra: Some(InfraSpec { container: infra }),
            id_file: None,
        })
    }

    /// Sees to it that the infra container runs before `record`, which joins it, does.
    ///
    /// The caller must be single-threaded.
    pub(in crate::engine) fn start_infra(
        &self,
        record: &ContainerRecord,
        report: &dyn Report,
    ) -> Result<(), EngineError> {
        let Some(pod) = &record.resolved.pod else {
            return Ok(());
        };
        // A pod that is gone or damaged shares nothing: the start itself tells what is missing.
        let infra = self.pods().load(pod).ok().and_then(|pod| pod.infra);
        match infra {
            Some(infra) if record.resolved.role == PodRole::Member => {
                self.start_one(&infra, StartMode::Detached, report)?;
                Ok(())
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Writes into `request` what its pod shares.
fn share(
    pod: &PodRecord,
    infra: &ContainerRecord,
    request: &mut ContainerRequest,
) -> Result<Inherited, JoinError> {
    let own_map = !request.uidmap.is_empty() || !request.gidmap.is_empty();
    let mode = request.userns.as_deref().unwrap_or("host");
    if own_map || !(mode == "host" || mode.starts_with("container:")) {
        return Err(JoinError::UserNamespace);
    }
    let donor = format!("container:{}", infra.id);
    let mut joined = false;
    let mut inherited = Inherited::default();
    for namespace in &pod.request.shared {
        let mode = match namespace {
            SharedNamespace::Net => {
                joined |= share_network(request, &donor)?;
                continue;
            }
            SharedNamespace::Cgroup => &mut request.cgroupns,
            SharedNamespace::Ipc => &mut request.ipc,
            SharedNamespace::Pid => &mut request.pid,
            SharedNamespace::Uts => &mut request.uts,
        };
        if !matches!(mode.as_deref(), None | Some("pod")) {
            continue;
        }
        *mode = Some(donor.clone());
        joined = true;
        if *namespace == SharedNamespace::Uts {
            if request.hostname.is_some() {
                return Err(JoinError::Hostname);
            }
            inherited.hostname = Some(infra.resolved.hostname.clone());
        }
    }
    if joined {
        request.userns.clone_from(&infra.request.userns);
        request.uidmap.clone_from(&infra.request.uidmap);
        request.gidmap.clone_from(&infra.request.gidmap);
        inherited.id_maps.clone_from(&infra.resolved.id_maps);
    }
    take_over(infra, request);
    Ok(inherited)
}

fn share_network(request: &mut ContainerRequest, donor: &str) -> Result<bool, JoinError> {
    let own = request.networks.iter().any(|network| network != "pod");
    if own {
        return Ok(false);
    }
    let settings = [
        ("DNS servers", &request.dns),
        ("DNS search domains", &request.dns_search),
        ("DNS options", &request.dns_option),
        ("extra host entries", &request.add_host),
        ("published or exposed ports", &request.publish),
    ];
    if let Some((flag, _)) = settings.iter().find(|(_, values)| !values.is_empty()) {
        return Err(JoinError::Network { flag });
    }
    request.networks = vec![donor.to_owned()];
    Ok(true)
}

/// What a pod gives all of its containers: mounts, devices, profiles.
fn take_over(infra: &ContainerRecord, request: &mut ContainerRequest) {
    for mount in infra.mounts() {
        let place = &mount.container_path;
        if !request
            .mounts
            .iter()
            .any(|own| own.container_path == *place)
        {
            request.mounts.push(mount.clone());
        }
    }
    request
        .devices
        .extend(infra.request.devices.iter().cloned());
    if request.security_opt.is_empty() {
        request.security_opt.clone_from(&infra.request.security_opt);
    }
}

/// `pod` as a mode stands for what the pod shares; what is left of it asks for more than that.
fn refuse_unshared(request: &ContainerRequest) -> Result<(), JoinError> {
    let modes = [
        ("cgroupns", request.cgroupns.as_deref()),
        ("ipc", request.ipc.as_deref()),
        ("network", request.networks.first().map(String::as_str)),
        ("pid", request.pid.as_deref()),
        ("uts", request.uts.as_deref()),
    ];
    match modes.iter().find(|(_, mode)| *mode == Some("pod")) {
        Some((kind, _)) => Err(JoinError::NotShared { kind }),
        None => Ok(()),
    }
}

/// Limits of a pod are of use as long as nobody leaves its cgroup.
fn stay_limited(pod: &PodRecord, request: &ContainerRequest) -> Result<(), JoinError> {
    let flags = [
        ("cgroup-parent", request.cgroup_parent.is_some()),
        (
            "cgroups disabled",
            request.cgroups.as_deref() == Some("disabled"),
        ),
    ];
    match flags.iter().find(|(_, asked)| *asked) {
        Some((flag, _)) if !pod.request.limits.is_empty() => Err(JoinError::Limited {
            flag,
            name: pod.name.clone(),
        }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::record::{MountKind, MountRequest, Resolved};

    fn pod(shared: &[SharedNamespace]) -> PodRecord {
        PodRecord {
            id: PodId::from_random(&[1; 32]),
            name: "web".to_owned(),
            created: jiff::Timestamp::UNIX_EPOCH,
            request: PodRequest {
                shared: shared.to_vec(),
                ..PodRequest::default()
            },
            infra: Some(ContainerId::from_random(&[2; 32])),
        }
    }

    fn infra() -> ContainerRecord {
        ContainerRecord {
            id: ContainerId::from_random(&[2; 32]),
            name: "infra".to_owned(),
            created: jiff::Timestamp::UNIX_EPOCH,
            request: ContainerRequest {
                userns: Some("keep-id".to_owned()),
                mounts: vec![MountRequest {
                    kind: MountKind::Bind,
                    source: "/srv".to_owned(),
                    container_path: "/data".to_owned(),
                    options: Vec::new(),
                }],
                ..ContainerRequest::default()
            },
            resolved: Resolved {
                hostname: "front".to_owned(),
                ..Resolved::default()
            },
        }
    }

    #[test]
    fn what_the_pod_shares_is_joined_and_what_it_gives_is_taken() {
        use SharedNamespace::{Ipc, Net, Uts};
        let (pod, infra) = (pod(&[Ipc, Net, Uts]), infra());
        let donor = format!("container:{}", infra.id);
        let mut request = ContainerRequest {
            ipc: Some("private".to_owned()),
            ..ContainerRequest::default()
        };
        let inherited = share(&pod, &infra, &mut request).unwrap();
        assert_eq!(inherited.hostname.as_deref(), Some("front"));
        assert_eq!(request.networks, std::slice::from_ref(&donor));
        assert_eq!(request.uts, Some(donor));
        assert_eq!(request.ipc.as_deref(), Some("private"), "it was asked for");
        assert_eq!(request.pid, None);
        assert_eq!(request.userns.as_deref(), Some("keep-id"));
        assert_eq!(request.mounts, infra.request.mounts);
    }

    #[test]
    fn what_is_the_pods_cannot_be_set_by_one_container() {
        use SharedNamespace::{Net, Pid, Uts};
        let refused = |shared: &[SharedNamespace], change: fn(&mut ContainerRequest)| {
            let mut request = ContainerRequest::default();
            change(&mut request);
            let shared = share(&pod(shared), &infra(), &mut request);
            shared.and_then(|_| refuse_unshared(&request)).is_err()
        };
        assert!(refused(&[Uts], |request| request.hostname = Some("x".into())));
        assert!(!refused(&[Net], |request| request.hostname = Some("x".into())));
        assert!(refused(&[Net], |request| request.dns = vec!["1.1.1.1".into()]));
        assert!(refused(&[Net], |request| request.uidmap = vec!["0:1:1".into()]));
        assert!(refused(&[Net], |request| request.pid = Some("pod".into())));
        assert!(!refused(&[Pid], |request| request.pid = Some("pod".into())));
    }
    #[test]
    fn nobody_leaves_a_pod_that_is_limited() {
        let mut pod = pod(&[]);
        let request = |cgroups: Option<&str>, parent: Option<&str>| ContainerRequest {
            cgroups: cgroups.map(str::to_owned),
            cgroup_parent: parent.map(str::to_owned),
            ..ContainerRequest::default()
        };
        let requests = [
            request(None, None),
            request(Some("split"), None),
            request(Some("disabled"), None),
            request(None, Some("/x")),
        ];
        let stays = |pod: &PodRecord| {
            requests
                .each_ref()
                .map(|one| stay_limited(pod, one).is_ok())
        };
        assert_eq!(stays(&pod), [true; 4]);
        pod.request.limits.pids = Some(5);
        assert_eq!(stays(&pod), [true, true, false, false]);
    }
}
