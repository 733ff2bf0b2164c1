// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The list of pods: what `pod ps` shows.

use std::collections::BTreeMap;

use super::filter::PodFilters;
use super::listed::ListedPod;
use super::members;
use super::select::{PodScope, PodSelection};
use crate::engine::filter::FilterError;
use crate::engine::{Engine, Report};
use crate::runtime::failure::chain;
use crate::state::StateError;
use crate::state::id::PodId;

/// What is asked of a list.
#[derive(Debug, Clone, Default)]
pub struct PodListRequest {
    /// Which pods are looked at.
    pub scope: PodScope,
    /// `KEY=VALUE`, each.
    pub filters: Vec<(String, String)>,
}

impl Engine {
    /// The pods that were asked for and that the filters let through, the one created last in
    /// front.
    ///
    /// # Errors
    ///
    /// Filters that cannot be understood, and a store that cannot be read. A pod whose record is
    /// damaged is told and left out.
    pub fn list_pods(
        &self,
        request: &PodListRequest,
        report: &dyn Report,
    ) -> Result<Vec<ListedPod>, FilterError> {
        let filters = PodFilters::parse(&request.filters)?;
        let store = self.store()?;
        let list = self.pods().list()?;
        for error in list.damaged {
            report.warning(&chain(&error));
        }
        let mut pods = list.pods;
        pods.reverse();
        if request.scope == PodScope::Latest {
            if pods.is_empty() {
                return Err(StateError::NoPods.into());
            }
            pods.truncate(1);
        }
        let mut members = members(&store)?;
        let listed = pods.into_iter().map(|record| {
            let members = members.remove(&record.id).unwrap_or_default();
            ListedPod::read(&store, record, members)
        });
        Ok(listed.filter(|pod| filters.let_through(pod)).collect())
    }

    /// One pod as it is in a list.
    ///
    /// # Errors
    ///
    /// As [`Engine::pod`].
    pub fn listed_pod(&self, selection: &PodSelection) -> Result<ListedPod, StateError> {
        let store = self.store()?;
        let id = self.select_pods(selection)?.into_iter().next();
        let record = self.pods().load(&id.ok_or(StateError::NoPods)?)?;
        let members = super::members_of(&store, &record.id)?;
        Ok(ListedPod::read(&store, record, members))
    }

    /// The names of the pods that containers are in.
    pub(in crate::engine) fn pod_names(&self) -> BTreeMap<PodId, String> {
        let pods = self.pods().list().unwrap_or_default().pods;
        pods.into_iter().map(|pod| (pod.id, pod.name)).collect()
    }
}
