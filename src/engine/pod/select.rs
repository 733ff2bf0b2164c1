// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which pods a command is about.

use crate::engine::Engine;
use crate::engine::selection::Missing;
use crate::state::StateError;
use crate::state::id::PodId;

/// What stood on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodSelection {
    /// Which pods are looked at.
    pub scope: PodScope,
    /// Names, ids and prefixes, as typed.
    pub words: Vec<String>,
    /// What becomes of words that mean no pod.
    pub missing: Missing,
}

/// Which pods are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PodScope {
    /// Those that are named.
    #[default]
    Named,
    /// All.
    All,
    /// The one that was created last.
    Latest,
}

impl Engine {
    /// Finds the pods that `selection` means, each once.
    ///
    /// # Errors
    ///
    /// A word that means no pod, unless that is ignored; no pod at all with the latest.
    pub(super) fn select_pods(&self, selection: &PodSelection) -> Result<Vec<PodId>, StateError> {
        let pods = self.pods();
        let mut ids: Vec<PodId> = Vec::new();
        match selection.scope {
            PodScope::All => return pods.ids(),
            PodScope::Latest => {
                let latest = pods.list()?.pods.pop().ok_or(StateError::NoPods)?;
                return Ok(vec![latest.id]);
            }
            PodScope::Named => {}
        }
        for word in &selection.words {
            match pods.resolve(word) {
                Ok(id) if !ids.contains(&id) => ids.push(id),
                Err(StateError::NoSuchPod { .. }) if selection.missing == Missing::Ignore => {}
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ids)
    }
}
