// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Options of mounts: which exist for which kind, and which exclude each other.

use crate::state::record::MountKind;

/// What is wrong with an option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OptionError {
    #[error("invalid options \"{options}\", can only specify 1 {group}")]
    Twice {
        options: String,
        group: &'static str,
    },
    #[error("invalid option type \"{option}\"")]
    Unknown { option: String },
    #[error("unknown mount option \"{option}\": invalid mount option")]
    UnknownForMemory { option: String },
    #[error(
        "the 'noswap' option is only allowed with rootful tmpfs mounts: must provide an argument \
         for option"
    )]
    NoSwap,
    #[error("must set both `upperdir` and `workdir`")]
    HalfOverlay,
    #[error("can't use 'O' with other options")]
    OverlayWithOthers,
}

/// Options of which a mount takes at most one, with the words for it.
const EXCLUSIVE: &[(&[&str], &str)] = &[
    (&["noexec", "exec"], "'noexec' or 'exec' option"),
    (&["nodev", "dev"], "'nodev' or 'dev' option"),
    (&["nosuid", "suid"], "'nosuid' or 'suid' option"),
    (&["rw", "ro"], "'rw' or 'ro' option"),
    (&["z", "Z", "O"], "'z', 'Z', or 'O' option"),
    (&["U"], "'U' option"),
    (
        &[
            "private",
            "rprivate",
            "shared",
            "rshared",
            "slave",
            "rslave",
            "unbindable",
            "runbindable",
        ],
        "'[r]shared', '[r]private', '[r]slave' or '[r]unbindable' option",
    ),
    (&["bind", "rbind"], "'[r]bind' option"),
    (&["copy", "nocopy"], "'copy' or 'nocopy' option"),
    (
        &["tmpcopyup", "notmpcopyup"],
        "'tmpcopyup' or 'notmpcopyup' option",
    ),
    (&["no-dereference"], "'no-dereference' option"),
];

/// Options of macOS that mean nothing here and are dropped, as docker does.
const DROPPED: &[&str] = &["cached", "delegated", "consistent"];

/// Options of bind mounts and volumes without a value.
const BIND: &[&str] = &[
    "noexec",
    "exec",
    "nodev",
    "dev",
    "nosuid",
    "suid",
    "rw",
    "ro",
    "z",
    "Z",
    "O",
    "U",
    "private",
    "rprivate",
    "shared",
    "rshared",
    "slave",
    "rslave",
    "unbindable",
    "runbindable",
    "bind",
    "rbind",
    "copy",
    "nocopy",
    "no-dereference",
    "noatime",
];

/// Options of file systems in memory without a value.
const MEMORY: &[&str] = &[
    "noexec",
    "exec",
    "nodev",
    "dev",
    "nosuid",
    "suid",
    "rw",
    "ro",
    "U",
    "private",
    "rprivate",
    "shared",
    "rshared",
    "slave",
    "rslave",
    "unbindable",
    "runbindable",
    "tmpcopyup",
    "notmpcopyup",
    "noatime",
    "strictatime",
    "relatime",
];

/// Options of file systems in memory with a value.
const MEMORY_VALUES: &[&str] = &[
    "size",
    "mode",
    "uid",
    "gid",
    "nr_inodes",
    "nr_blocks",
    "huge",
];

/// Checks the options of a mount of `kind`; the value is those that mean something.
pub(crate) fn check(kind: MountKind, options: &[&str]) -> Result<Vec<String>, OptionError> {
    let kept: Vec<&str> = options
        .iter()
        .copied()
        .filter(|option| !DROPPED.contains(option))
        .collect();
    for option in &kept {
        check_known(kind, option)?;
    }
    for (group, words) in EXCLUSIVE {
        let count = kept.iter().filter(|option| group.contains(option)).count();
        if count > 1 {
            return Err(OptionError::Twice {
                options: options.join(", "),
                group: words,
            });
        }
    }
    check_overlay(&kept)?;
    Ok(kept.into_iter().map(str::to_owned).collect())
}

fn check_known(kind: MountKind, option: &str) -> Result<(), OptionError> {
    let key = option.split('=').next().unwrap_or_default();
    match kind {
        // The kernel takes it in the first user namespace only, where no container is.
        MountKind::Tmpfs | MountKind::Ramfs if option == "noswap" => Err(OptionError::NoSwap),
        MountKind::Tmpfs | MountKind::Ramfs => {
            let valued = option.contains('=') && MEMORY_VALUES.contains(&key);
            if valued || MEMORY.contains(&option) {
                return Ok(());
            }
            Err(OptionError::UnknownForMemory {
                option: option.to_owned(),
            })
        }
        MountKind::Bind
        | MountKind::Volume
        | MountKind::Overlay
        | MountKind::Devpts
        | MountKind::Image
        | MountKind::Artifact => {
            let valued = ["upperdir", "workdir"].contains(&key) && option.contains('=');
            if valued || key == "idmap" || BIND.contains(&option) {
                return Ok(());
            }
            Err(OptionError::Unknown {
                option: option.to_owned(),
            })
        }
    }
}

/// `O` takes `U` beside it, or both directories of its own.
fn check_overlay(options: &[&str]) -> Result<(), OptionError> {
    let has = |prefix: &str| options.iter().any(|option| option.starts_with(prefix));
    let (upper, work) = (has("upperdir="), has("workdir="));
    if upper != work {
        return Err(OptionError::HalfOverlay);
    }
    let others = options
        .iter()
        .any(|option| !["O", "U"].contains(option) && !option.contains("dir="));
    if options.contains(&"O") && others {
        return Err(OptionError::OverlayWithOthers);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: MountKind, options: &[&str]) -> String {
        check(kind, options).unwrap_err().to_string()
    }

    #[test]
    fn options_fit_the_kind() {
        let bind = MountKind::Bind;
        assert_eq!(check(bind, &["ro", "Z", "cached"]).unwrap(), ["ro", "Z"]);
        assert_eq!(
            check(bind, &["idmap=uids=0-1-10"]).unwrap(),
            ["idmap=uids=0-1-10"]
        );
        assert_eq!(
            check(bind, &["O", "upperdir=/u", "workdir=/w"])
                .unwrap()
                .len(),
            3
        );
        assert_eq!(
            check(MountKind::Tmpfs, &["size=64m", "exec"])
                .unwrap()
                .len(),
            2
        );
        assert_eq!(message(bind, &["bogus"]), "invalid option type \"bogus\"");
        assert_eq!(message(bind, &["size=1"]), "invalid option type \"size=1\"");
        assert_eq!(
            message(MountKind::Tmpfs, &["Z"]),
            "unknown mount option \"Z\": invalid mount option"
        );
    }

    #[test]
    fn options_that_exclude_each_other() {
        let cases = [
            (
                &["ro", "rw"][..],
                "invalid options \"ro, rw\", can only specify 1 'rw' or 'ro' option",
            ),
            (
                &["z", "O"],
                "invalid options \"z, O\", can only specify 1 'z', 'Z', or 'O' option",
            ),
            (&["O", "ro"], "can't use 'O' with other options"),
            (
                &["O", "upperdir=/u"],
                "must set both `upperdir` and `workdir`",
            ),
        ];
        for (options, want) in cases {
            assert_eq!(message(MountKind::Bind, options), want);
        }
    }
}
