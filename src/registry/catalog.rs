// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The list of all repositories of a registry, for registries that have no search.

use reqwest::Method;
use serde::Deserialize;

use super::client::{DOCUMENT_MAX, PAGES_MAX, Registry, next_page};
use super::error::RegistryError;
use super::http::{Answer, Request};
use super::reply;

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
        let mut next = Some(self.url("_catalog")?);
        for _ in 0..PAGES_MAX {
            let Some(url) = next.filter(|_| found.len() < most) else {
                break;
            };
            let request = Request::new(Method::GET, url.clone(), Answer::Document);
            let response = self.send(&what, request, &scopes)?;
            next = next_page(&url, response.headers());
            let bytes = reply::document(&what, response, DOCUMENT_MAX)?;
            let page: Page =
                serde_json::from_slice(&bytes).map_err(|source| RegistryError::Document {
                    what: what.clone(),
                    source,
                })?;
            let repositories = page.repositories.unwrap_or_default();
            found.extend(repositories.into_iter().filter(|name| wanted(name)));
        }
        found.truncate(most);
        Ok(found)
    }
}
