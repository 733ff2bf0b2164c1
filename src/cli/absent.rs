// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands and flags that people know from docker and podman and that coracle does not have, with
//! what it says to them. What nobody knows is an unknown command or flag instead.

/// Why a command is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absence {
    /// Its feature has not landed.
    NotYet,
    /// It will not come; the text says why.
    Never(&'static str),
}

use Absence::{Never, NotYet};

const SWARM: Absence = Never("coracle runs on one machine and has no swarm");
const CHECKPOINT: Absence = Never("checkpoints need rights that an ordinary user does not have");
const MACHINE: Absence =
    Never("coracle runs containers on this Linux machine, without a virtual one");

/// Every known command that is not there, by its path. A path also stands for what is below it.
const COMMANDS: &[(&str, Absence)] = &[
    ("auto-update", NotYet),
    ("bake", Never("coracle has no bake files")),
    ("build", NotYet),
    ("builder", NotYet),
    ("buildx", NotYet),
    ("checkpoint", CHECKPOINT),
    ("compose", NotYet),
    ("config", SWARM),
    ("container checkpoint", CHECKPOINT),
    ("container clone", NotYet),
    ("container init", NotYet),
    ("container restore", CHECKPOINT),
    ("container runlabel", NotYet),
    ("context", NotYet),
    ("events", NotYet),
    ("farm", Never("coracle works on this machine only")),
    ("generate kube", NotYet),
    ("generate spec", NotYet),
    ("image build", NotYet),
    ("image scp", NotYet),
    ("image sign", NotYet),
    ("image trust", NotYet),
    ("init", NotYet),
    ("kube", NotYet),
    ("machine", MACHINE),
    ("network connect", NotYet),
    ("network create", NotYet),
    ("network disconnect", NotYet),
    ("network reload", NotYet),
    ("network update", NotYet),
    ("node", SWARM),
    ("play", NotYet),
    ("plugin", Never("coracle has no plugins")),
    ("pod clone", NotYet),
    ("sbom", Never("coracle has no bill-of-materials scanner")),
    ("scout", Never("coracle has no vulnerability scanner")),
    ("service", SWARM),
    ("stack", SWARM),
    ("swarm", SWARM),
    ("system connection add", NotYet),
    ("system connection default", NotYet),
    ("system connection remove", NotYet),
    ("system connection rename", NotYet),
    ("system dial-stdio", NotYet),
    ("system events", NotYet),
    ("system locks", NotYet),
    ("system renumber", NotYet),
    ("system service", NotYet),
    ("trust", Never("coracle has no Docker content trust")),
    ("volume reload", NotYet),
];

/// Why the command at `path` is not there; `None` if nobody knows such a command.
pub(crate) fn command(path: &str) -> Option<Absence> {
    COMMANDS
        .iter()
        .find(|(known, _)| {
            path.strip_prefix(known)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
        .map(|(_, absence)| *absence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_command_says_why_it_is_absent() {
        assert_eq!(command("events"), Some(NotYet));
        assert_eq!(command("volume reload"), Some(NotYet));
        assert_eq!(command("image trust show"), Some(NotYet));
        assert_eq!(command("swarm init"), Some(SWARM));
        assert_eq!(command("pullx"), None);
        assert_eq!(command("container bogus"), None);
        assert_eq!(command("volume bogus"), None);
    }
}
