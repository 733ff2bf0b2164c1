// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which ids a container gets: `--userns`, `--uidmap` and `--gidmap` against what the user may map.

pub(super) mod auto;
mod explicit;

use crate::runtime::idmap::{HolderMap, IdMaps, Reach};
use crate::state::record::ContainerRequest;

/// A `--userns` or `--uidmap` that cannot be honoured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// Not a mode.
    #[error("unrecognized user namespace mode {0:?} passed")]
    UnknownMode(String),
    /// Not an option of the mode.
    #[error("unknown option specified in --userns: {0:?}")]
    Option(String),
    /// Not `CONTAINER:HOST[:SIZE]`.
    #[error("invalid id map {0:?}: it is CONTAINER_ID:HOST_ID[:SIZE]")]
    Map(String),
    /// An extent that the user may not map.
    #[error(
        "id map {0:?} reaches outside the ids that this user may map; \
         `coracle doctor` shows the range and how to widen it"
    )]
    OutOfReach(String),
    /// An id of the host that the user may not map.
    #[error("parent ID {kind} {id} is not mapped/delegated")]
    Undelegated {
        /// `UID` or `GID`.
        kind: &'static str,
        /// Which.
        id: u32,
    },
    /// A mode that needs a range where there is none.
    #[error(
        "--userns={mode} needs subordinate ids: add a range with \
         `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}`"
    )]
    NeedsRange {
        /// The mode as typed.
        mode: String,
        /// The caller's name.
        user: String,
    },
    /// An image with higher ids than `--userns auto` gives.
    #[error(
        "the container needs a user namespace with size {0} that is bigger than the maximum value \
         allowed with userns=auto 65536"
    )]
    TooLarge(u32),
    /// Other containers have too many of the ids.
    #[error(
        "not enough unused IDs in user namespace: --userns=auto needs {0} that no other container \
         has"
    )]
    NoneFree(u32),
    /// `--userns` together with `--uidmap`.
    #[error("--userns and --uidmap/--gidmap are mutually exclusive")]
    Conflict,
}

/// The caller, as id maps need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name in /etc/passwd, or the number.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Home directory.
    pub home: String,
}

/// A container's ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerIds {
    /// The map, in the holder's ids.
    pub maps: IdMaps,
    /// With `keep-id`: the ids that the caller has inside.
    pub kept: Option<(u32, u32)>,
}

/// The ids of a container of `request`. With one mappable id, `single` is the user and group that
/// the program will have.
///
/// # Errors
///
/// See [`MapError`].
pub fn container_ids(
    request: &ContainerRequest,
    holder: &HolderMap,
    caller: &Caller,
    single: (u32, u32),
) -> Result<ContainerIds, MapError> {
    let mode = request.userns.as_deref().unwrap_or("host");
    if !request.uidmap.is_empty() || !request.gidmap.is_empty() {
        if request.userns.is_some() {
            return Err(MapError::Conflict);
        }
        let maps = explicit::maps(&request.uidmap, &request.gidmap, &holder.maps)?;
        return Ok(ContainerIds { maps, kept: None });
    }
    let (word, options) = mode.split_once(':').unwrap_or((mode, ""));
    let parent = &holder.maps;
    let alone = holder.reach == Reach::Single;
    let maps = match word {
        "keep-id" => return keep_id(options, holder, caller),
        "" | "host" | "private" if alone => IdMaps::single(single.0, single.1),
        "" | "host" | "private" => IdMaps::identity_of(parent),
        "nomap" | "auto" if alone => {
            let (mode, user) = (word.to_owned(), caller.name.clone());
            return Err(MapError::NeedsRange { mode, user });
        }
        "nomap" => IdMaps::no_map(parent),
        // Reserved when the container was made; without that, as for a container of none.
        "auto" => {
            auto::Wish::parse(options)?.maps(0, &[], (&auto::subordinates(parent), parent))?
        }
        _ => return Err(MapError::UnknownMode(mode.to_owned())),
    };
    Ok(ContainerIds { maps, kept: None })
}

/// The map that a request asks for, as typed; `None` for the one that it has without a wish.
pub fn asked(request: &ContainerRequest) -> Option<String> {
    if !request.uidmap.is_empty() || !request.gidmap.is_empty() {
        return Some("--uidmap".to_owned());
    }
    let mode = request.userns.as_deref()?;
    let is_usual = ["", "host", "private"].contains(&mode) || mode.starts_with("container:");
    (!is_usual).then(|| format!("--userns {mode}"))
}

fn keep_id(options: &str, holder: &HolderMap, caller: &Caller) -> Result<ContainerIds, MapError> {
    let (mut uid, mut gid, mut size) = (caller.uid, caller.gid, u32::MAX);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let bad = || MapError::Option(option.to_owned());
        let (key, value) = option.split_once('=').ok_or_else(bad)?;
        let number = value.parse().map_err(|_not_a_number| bad())?;
        match key {
            "uid" => uid = number,
            "gid" => gid = number,
            "size" => size = number,
            _ => return Err(bad()),
        }
    }
    let maps = match holder.reach {
        Reach::Single => IdMaps::single(uid, gid),
        Reach::Ranges | Reach::All => IdMaps::keep_id(&holder.maps, (uid, gid), size),
    };
    Ok(ContainerIds {
        maps,
        kept: Some((uid, gid)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(request: &ContainerRequest, holder: &HolderMap) -> Result<String, MapError> {
        let caller = Caller {
            name: "ana".into(),
            uid: 1000,
            gid: 1000,
            home: "/home/ana".into(),
        };
        container_ids(request, holder, &caller, (33, 33)).map(|ids| ids.maps.uids_text(","))
    }

    fn request(userns: &str, uidmap: &[&str]) -> ContainerRequest {
        ContainerRequest {
            userns: (!userns.is_empty()).then(|| userns.to_owned()),
            uidmap: uidmap.iter().map(ToString::to_string).collect(),
            ..ContainerRequest::default()
        }
    }

    #[test]
    fn modes_with_a_range() {
        let holder = HolderMap::of_user(1000, 1000, &[(100_000, 65536)], &[(100_000, 65536)]);
        let cases = [
            ("", "0 0 1,1 1 65536"),
            ("host", "0 0 1,1 1 65536"),
            ("keep-id", "0 1 1000,1000 0 1,1001 1001 64536"),
            ("keep-id:uid=5,gid=6", "0 1 5,5 0 1,6 6 65531"),
            ("keep-id:size=500", "0 1 499,1000 0 1"),
            ("keep-id:uid=5,size=10", "0 1 5,5 0 1,6 6 4"),
            ("keep-id:uid=70000", "0 1 65536,70000 0 1"),
            ("nomap", "0 1 65536"),
            ("auto:size=100", "0 1 100"),
        ];
        for (mode, wanted) in cases {
            assert_eq!(
                ids(&request(mode, &[]), &holder).as_deref(),
                Ok(wanted),
                "{mode}"
            );
        }
        for mode in ["bogus", "keep-id:uid", "keep-id:x=1", "auto:size=y"] {
            assert!(ids(&request(mode, &[]), &holder).is_err(), "{mode}");
        }
    }

    #[test]
    fn explicit_maps_stay_within_reach() {
        let holder = HolderMap::of_user(1000, 1000, &[(100_000, 100)], &[(100_000, 100)]);
        let map = |texts: &[&str]| ids(&request("", texts), &holder);
        assert_eq!(map(&["0:1:50", "50:0:1"]).as_deref(), Ok("0 1 50,50 0 1"));
        assert_eq!(map(&["0:@100004:2"]).as_deref(), Ok("0 5 2"));
        assert!(matches!(map(&["0:1:101"]), Err(MapError::OutOfReach(_))));
        assert!(matches!(map(&["0:@5"]), Err(MapError::Undelegated { .. })));
        assert!(matches!(map(&["x"]), Err(MapError::Map(_))));
        assert_eq!(
            ids(&request("keep-id", &["0:0:1"]), &holder),
            Err(MapError::Conflict)
        );
    }

    /// What `podman run` of 5.8.6 writes for a caller with the id 1013 and this range.
    #[test]
    fn explicit_maps_are_those_of_podman() {
        let range = [(658_752, 65536)];
        let holder = HolderMap::of_user(1013, 1013, &range, &range);
        let all = "0 0 1,1 1 65536";
        let cases: &[(&[&str], &str, &str)] = &[
            (&["0:1:1000"], "0 1 1000", "0 1 1000"),
            (&["0:0:1", "1:100:10"], "0 0 1,1 100 10", "0 0 1,1 100 10"),
            (&["0:10001:10002"], "0 10001 10002", "0 10001 10002"),
            (
                &["+5:@1013:1"],
                "0 1 5,5 0 1,6 6 65531",
                "0 1 5,5 0 1,6 6 65531",
            ),
            (&["0:@658752:10"], "0 1 10", "0 1 10"),
            (&["u0:1:5"], "0 1 5", all),
            (&["+u1000:0:1"], "0 1 1000,1000 0 1,1001 1001 64536", all),
            (
                &["0:1:100", "+10:50:2"],
                "0 1 10,10 50 2,12 13 37,51 52 49",
                "0 1 10,10 50 2,12 13 37,51 52 49",
            ),
        ];
        for (texts, uids, gids) in cases {
            let request = request("", texts);
            let maps = explicit::maps(&request.uidmap, &[], &holder.maps).unwrap();
            assert_eq!(maps.uids_text(","), *uids, "{texts:?}");
            assert_eq!(maps.gids_text(","), *gids, "{texts:?}");
        }
    }

    #[test]
    fn without_a_range_the_programs_own_id_is_mapped() {
        let holder = HolderMap::of_user(1000, 1000, &[], &[]);
        assert_eq!(ids(&request("", &[]), &holder).as_deref(), Ok("33 0 1"));
        assert_eq!(
            ids(&request("keep-id", &[]), &holder).as_deref(),
            Ok("1000 0 1")
        );
        assert!(matches!(
            ids(&request("nomap", &[]), &holder),
            Err(MapError::NeedsRange { .. })
        ));
    }
}
