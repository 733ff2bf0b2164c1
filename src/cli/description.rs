// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All that is known of a container, for events that tell it.

use crate::engine::Engine;
use crate::engine::list::Sizes;
use crate::output::value::{JsonStyle, Value, to_json};
use crate::state::id::ContainerId;

/// All that inspect says of a container, with its sizes, on one line.
pub(super) fn container_as_json(engine: &Engine, id: &ContainerId) -> Option<String> {
    let document = engine
        .inspect_container(id.as_str(), Sizes::Measured)
        .ok()?;
    Some(to_json(&Value::of(&document), JsonStyle::Compact))
}
