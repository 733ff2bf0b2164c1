// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What every handler is given: the engine and the streams.

use crate::engine::Engine;
use crate::output::ui::Ui;

/// What every handler is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// The user's store, configuration and dialect.
    pub(crate) engine: Engine,
    /// Standard output and standard error.
    pub(crate) ui: Ui,
}
