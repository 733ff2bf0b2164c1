// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The image of a container that is to be made.

use super::pull::{Origin, chosen, load, origin, tell_docker};
use super::transfers::{Purpose, Transfers, Volume};
use crate::cli::{Context, Failure};
use crate::engine::image::PullRequest;

/// Brings a container's image here before the container is made; the value is its name, without a
/// transport.
pub(crate) fn ensure_image(
    context: &Context,
    request: PullRequest,
    volume: Volume,
) -> Result<String, Failure> {
    let name = match origin(&request.name)? {
        Origin::Archive(path) => {
            let loaded = load(
                context,
                &path,
                Purpose::Container,
                volume,
                request.access.policy,
            )?;
            let first = loaded.into_iter().next();
            let image =
                first.ok_or_else(|| Failure::tool(format_args!("{path}: no image in it")))?;
            let name = image.names.into_iter().next();
            return Ok(name.unwrap_or_else(|| image.id.hex().to_owned()));
        }
        // What is not here is an error of the container that is made from it.
        Origin::Storage(name) => return Ok(name),
        Origin::Registry(name) => name,
    };
    let mut request = PullRequest { name, ..request };
    let pulled = {
        let transfers = Transfers::new(context, Purpose::Container, volume);
        match context.engine.ensure_image(&request, &transfers) {
            Ok(pulled) => pulled,
            Err(error) => {
                request.name = chosen(context, error)?;
                context.engine.ensure_image(&request, &transfers)?
            }
        }
    };
    if let Some(pulled) = &pulled {
        tell_docker(context, pulled, volume);
    }
    Ok(request.name)
}
