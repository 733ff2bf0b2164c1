// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names of the field: digests, image references, platforms, and the documents of an image
//! (configuration, manifest, index). Pure data: nothing here touches the disk or the network, and
//! every parser takes untrusted text and never panics.

mod digest;
mod image_config;
mod manifest;
mod platform;
mod reference;

pub use digest::{Algorithm, Digest, DigestError, Digester};
pub use image_config::{ContainerConfig, Healthcheck, History, ImageConfiguration, RootFs};
pub use manifest::{Descriptor, Index, Manifest, media_type};
pub use platform::Platform;
pub use reference::{DEFAULT_TAG, DOCKER_DOMAIN, LOCAL_DOMAIN, Reference, ReferenceError};
