// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `.build`: an image that is built before others need it.

use super::draft::{ConvertError, Draft};
use super::flags::{Keys, Rule};
use super::paths::{is_specifier, is_url};

/// The keys of the group.
pub(super) const KEYS: &[&Keys] = &[FLAGS, OWN];

const FLAGS: &Keys = &[
    ("Arch", Rule::Last("--arch", "")),
    ("AuthFile", Rule::Last("--authfile", "")),
    ("IgnoreFile", Rule::Last("--ignorefile", "")),
    ("Target", Rule::Last("--target", "")),
    ("Variant", Rule::Last("--variant", "")),
    ("Retry", Rule::Last("--retry", "")),
    ("RetryDelay", Rule::Last("--retry-delay", "")),
    ("TLSVerify", Rule::Switch("--tls-verify")),
    ("ForceRM", Rule::Switch("--force-rm")),
    ("DNS", Rule::Each("--dns")),
    ("DNSOption", Rule::Each("--dns-option")),
    ("DNSSearch", Rule::Each("--dns-search")),
    ("GroupAdd", Rule::Each("--group-add")),
    ("ImageTag", Rule::Each("--tag")),
    ("BuildArg", Rule::Pairs("--build-arg")),
    ("Environment", Rule::Pairs("--env")),
    ("Label", Rule::Pairs("--label")),
    ("Annotation", Rule::Pairs("--annotation")),
    ("Secret", Rule::Arguments("--secret", "")),
];

const OWN: &Keys = &[
    ("File", Rule::Own),
    ("Network", Rule::Own),
    ("Pull", Rule::Own),
    ("SetWorkingDirectory", Rule::Own),
    ("Volume", Rule::Own),
];

/// Fills the service.
pub(super) fn fill(draft: &mut Draft<'_>) -> Result<(), ConvertError> {
    let (unit, group) = (draft.unit, draft.group);
    if unit.all(group, "ImageTag").is_empty() {
        return Err(ConvertError::Missing { key: "ImageTag" });
    }
    let mut build = draft.command(&["build"]);
    if let Some(policy) = unit.text(group, "Pull") {
        // Its value is never the next word.
        build.add([format!("--pull={policy}")]);
    }
    draft.keys(&mut build, FLAGS);
    draft.networks(&mut build)?;
    draft.volumes(&mut build)?;
    let context = draft.working_directory()?;
    let directory = draft.service.text("Service", "WorkingDirectory");
    let file = unit.text(group, "File");
    if let Some(file) = file {
        build.add(["--file", file]);
    }
    draft.own_arguments(&mut build);
    let is_whole = |file: &str| is_specifier(file) || file.starts_with('/') || is_url(file);
    match (context, directory, file) {
        (Some(context), _, _) => build.add([context]),
        (None, _, Some(file)) if is_whole(file) => {}
        (None, Some(directory), _) => build.add([directory]),
        (None, None, Some(_)) => return Err(ConvertError::RelativeFile),
        (None, None, None) => return Err(ConvertError::NoContext),
    }
    draft.exec("ExecStart", build);
    draft.oneshot();
    Ok(())
}
