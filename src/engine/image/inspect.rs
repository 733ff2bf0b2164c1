// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `image inspect` and `history`: all that is known of one image.

use jiff::Timestamp;

use super::error::ImageError;
use crate::engine::Engine;
use crate::oci::Manifest;
use crate::storage::Image;

/// An image with what inspect shows beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageDetail {
    /// The image.
    pub image: Image,
    /// All its names, the oldest first.
    pub names: Vec<String>,
    /// Its manifest; `None` if it does not read.
    pub manifest: Option<Manifest>,
}

/// One step of an image's making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryStep {
    /// The image's id at its last step; what the steps before were called is not known.
    pub id: Option<String>,
    /// When.
    pub created: Option<Timestamp>,
    /// The command.
    pub created_by: String,
    /// Bytes of the layer's stream; 0 for a step that made none.
    pub size_bytes: u64,
    /// A comment.
    pub comment: String,
    /// The image's names at its last step.
    pub tags: Vec<String>,
}

impl Engine {
    /// Reads all that is known of the image `name`.
    ///
    /// # Errors
    ///
    /// No such image, or a damaged one.
    pub fn inspect_image(&self, name: &str) -> Result<ImageDetail, ImageError> {
        let images = self.images()?;
        let image = images.resolve(name)?;
        let manifest = images.manifest(&image).ok();
        Ok(ImageDetail {
            names: images.names_of(&image.id)?,
            manifest: manifest.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            image,
        })
    }

    /// The steps of the image `name`, the latest first.
    ///
    /// # Errors
    ///
    /// As [`Engine::inspect_image`].
    pub fn image_history(&self, name: &str) -> Result<Vec<HistoryStep>, ImageError> {
        let detail = self.inspect_image(name)?;
        Ok(history(&detail))
    }
}

/// Steps that made a layer and layers belong together in their order; what has no step is shown
/// without one.
fn history(detail: &ImageDetail) -> Vec<HistoryStep> {
    let image = &detail.image;
    let mut sizes = image
        .layers
        .iter()
        .map(|layer| layer.record.content.size_bytes);
    let mut steps: Vec<HistoryStep> = Vec::new();
    for step in &image.config.history {
        let size_bytes = if step.empty_layer { None } else { sizes.next() };
        steps.push(HistoryStep {
            id: None,
            created: step.created,
            created_by: step.created_by.clone(),
            size_bytes: size_bytes.unwrap_or(0),
            comment: step.comment.clone(),
            tags: Vec::new(),
        });
    }
    for size_bytes in sizes {
        steps.push(HistoryStep {
            id: None,
            created: image.config.created,
            created_by: String::new(),
            size_bytes,
            comment: String::new(),
            tags: Vec::new(),
        });
    }
    steps.reverse();
    if let Some(latest) = steps.first_mut() {
        latest.id = Some(image.id.hex().to_owned());
        latest.tags.clone_from(&detail.names);
    }
    steps
}
