// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Images by what people type: names, long and short, with tag or digest, and ids.

use super::{Images, no_such};
use crate::oci::{Digest, Reference};
use crate::storage::error::StorageError;
use crate::storage::names;

impl Images {
    /// The id that `text` names, and the full name if it is one.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoSuchImage`], [`StorageError::AmbiguousId`].
    pub fn find(&self, text: &str) -> Result<(Digest, Option<String>), StorageError> {
        let reference = Reference::parse(text).ok();
        if let Some(reference) = &reference {
            for name in candidates(reference) {
                if let Some(id) = self.by_reference(&name)? {
                    return Ok((id, Some(name.without_digest().to_string())));
                }
            }
        }
        if let Some(id) = self.by_id(text)? {
            return Ok((id, None));
        }
        if let Some(reference) = reference
            && reference.is_short()
            && let Some(found) = self.by_suffix(&reference)?
        {
            return Ok(found);
        }
        Err(no_such(text))
    }

    /// The image that has exactly this name; with a digest, only if it came under it.
    fn by_reference(&self, name: &Reference) -> Result<Option<Digest>, StorageError> {
        let Some(digest) = name.digest() else {
            return names::get(&self.names_directory(), &name.to_string());
        };
        let repository = name.repository();
        let names = names::all(&self.names_directory())?;
        for record in self.records()? {
            let has_digest = record.manifests.contains(digest);
            let mut names = names.get(&record.id).into_iter().flatten();
            if has_digest && names.any(|name| repository_of(name) == repository) {
                return Ok(Some(record.id));
            }
        }
        Ok(None)
    }

    fn by_id(&self, text: &str) -> Result<Option<Digest>, StorageError> {
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let mut ids = self.ids()?;
        ids.retain(|id| id.hex().starts_with(prefix));
        match ids.len() {
            0 => Ok(None),
            1 => Ok(ids.pop()),
            count => {
                let prefix = text.to_owned();
                Err(StorageError::AmbiguousId { prefix, count })
            }
        }
    }

    /// A short name in any registry: `a` fits `quay.io/x/a`.
    fn by_suffix(
        &self,
        reference: &Reference,
    ) -> Result<Option<(Digest, Option<String>)>, StorageError> {
        if reference.digest().is_some() {
            return Ok(None);
        }
        let suffix = format!("/{}", reference.clone().with_default_tag());
        for (id, names) in names::all(&self.names_directory())? {
            if let Some(name) = names.into_iter().find(|name| name.ends_with(&suffix)) {
                return Ok(Some((id, Some(name))));
            }
        }
        Ok(None)
    }
}

/// The full names that a typed one may mean, the likeliest first.
fn candidates(reference: &Reference) -> Vec<Reference> {
    use crate::oci::{DOCKER_DOMAIN, LOCAL_DOMAIN};
    let complete = |domain| reference.clone().with_domain(domain).with_default_tag();
    if reference.is_short() {
        vec![complete(LOCAL_DOMAIN), complete(DOCKER_DOMAIN)]
    } else {
        vec![complete(DOCKER_DOMAIN)]
    }
}

fn repository_of(name: &str) -> String {
    Reference::parse(name).map_or_else(|_| String::new(), |name| name.repository())
}
