// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The list of all repositories of a registry, for registries that have no search.

use std::ops::ControlFlow;

use serde::Deserialize;

use super::client::Registry;
use super::error::RegistryError;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

impl Registry {
    /// The repositories that `wanted` takes, `most` of them.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Denied`], and what else a registry says that does not tell its
    /// repositories.
    pub fn repositories(
        &self,
        wanted: impl Fn(&str) -> bool,
        most: usize,
    ) -> Result<Vec<String>, RegistryError> {
        let what = format!("listing the repositories of {}", self.endpoint().authority);
        let scopes = ["registry:catalog:*".to_owned()];
        let mut found = Vec::new();
        self.pages(&what, "_catalog", &scopes, |page: Page| {
            let repositories = page.repositories.unwrap_or_default();
            found.extend(repositories.into_iter().filter(|name| wanted(name)));
            if found.len() < most {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        found.truncate(most);
        Ok(found)
    }
}
