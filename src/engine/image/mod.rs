// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can be done with images: import, load, list, name, look at, remove.

mod changes;
mod error;
mod import;
mod load;
mod workplace;

pub use changes::ChangeError;
pub use error::ImageError;
pub use import::{ImportRequest, ImportSource};
pub use load::{LoadSource, LoadedImage};
