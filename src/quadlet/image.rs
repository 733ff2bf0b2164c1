// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `.image` and `.artifact`: what is pulled before others need it.

use super::draft::{ConvertError, Draft};
use super::flags::{Keys, Rule};

/// The keys of the group of an image.
pub(super) const KEYS: &[&Keys] = &[FLAGS, PULL, OWN];

/// The keys of the group of an artifact.
pub(super) const ARTIFACT_KEYS: &[&Keys] = &[ARTIFACT_FLAGS, PULL, ARTIFACT_OWN];

const PULL: &Keys = &[
    ("AuthFile", Rule::Last("--authfile", "")),
    ("CertDir", Rule::Last("--cert-dir", "")),
    ("Creds", Rule::Last("--creds", "")),
    ("DecryptionKey", Rule::Last("--decryption-key", "")),
    ("Retry", Rule::Last("--retry", "")),
    ("RetryDelay", Rule::Last("--retry-delay", "")),
    ("TLSVerify", Rule::Switch("--tls-verify")),
];

const FLAGS: &Keys = &[
    ("Arch", Rule::Last("--arch", "")),
    ("OS", Rule::Last("--os", "")),
    ("Policy", Rule::Last("--policy", "")),
    ("Variant", Rule::Last("--variant", "")),
    ("AllTags", Rule::Switch("--all-tags")),
];

const OWN: &Keys = &[("Image", Rule::Own), ("ImageTag", Rule::Own)];

const ARTIFACT_FLAGS: &Keys = &[("Quiet", Rule::Switch("--quiet"))];

const ARTIFACT_OWN: &Keys = &[("Artifact", Rule::Own)];

/// Fills the service of an image.
pub(super) fn fill(draft: &mut Draft<'_>) -> Result<(), ConvertError> {
    pull(draft, "image", FLAGS, "Image")
}

/// Fills the service of an artifact.
pub(super) fn fill_artifact(draft: &mut Draft<'_>) -> Result<(), ConvertError> {
    pull(draft, "artifact", ARTIFACT_FLAGS, "Artifact")
}

fn pull(
    draft: &mut Draft<'_>,
    command: &str,
    flags: &Keys,
    key: &'static str,
) -> Result<(), ConvertError> {
    let name = draft.unit.text(draft.group, key);
    let name = name.ok_or(ConvertError::Missing { key })?;
    let mut pull = draft.command(&[command, "pull"]);
    draft.keys(&mut pull, flags);
    draft.keys(&mut pull, PULL);
    draft.own_arguments(&mut pull);
    pull.add([name]);
    draft.exec("ExecStart", pull);
    draft.oneshot();
    draft.remain();
    Ok(())
}
