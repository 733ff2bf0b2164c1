// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The image of a pod's infra container, where one was asked for in place of our own program.

use super::ensure::ensure_image;
use super::transfers::Volume;
use crate::cli::args::ImageArgs;
use crate::cli::failure::TOOL_ERROR;
use crate::cli::{Context, Failure};

/// Gets the image of infra containers, if one was named, on the command line or in containers.conf.
pub(in crate::cli) fn infra_image(
    context: &Context,
    flag: Option<String>,
) -> Result<Option<String>, Failure> {
    let conf = context.engine.containers_conf();
    let conf = conf.map_err(|error| Failure::from_error(TOOL_ERROR, &error))?;
    let name = flag.or_else(|| conf.engine.infra_image.clone());
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    match ImageArgs::default().pull(context, &name)? {
        Some((request, _)) => ensure_image(context, request, Volume::Quiet).map(Some),
        None => Ok(None),
    }
}
