// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Variables that a program gets besides those of its record.

use oci_spec::runtime::Spec;

use crate::engine::secret;

/// Secrets that are variables are in no record: the program's environment is the only place.
pub(super) fn add_variables(spec: &mut Spec, variables: &[(String, String)]) {
    let Some(process) = spec
        .process_mut()
        .as_mut()
        .filter(|_| !variables.is_empty())
    else {
        return;
    };
    let mut environment = process.env().clone().unwrap_or_default();
    secret::set_variables(&mut environment, variables);
    process.set_env(Some(environment));
}
