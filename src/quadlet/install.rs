// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The `[Install]` group of a service: the links that `systemctl enable` would make. Pure.

use super::kind::base_name;
use super::paths::clean;
use super::unit::Unit;

/// A link to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// Where, below the directory of the services.
    pub(super) path: String,
    /// What is in it.
    pub(super) target: String,
}

/// The links of `service`.
pub(super) fn links(service: &Unit) -> Vec<Link> {
    let aliases = service.list("Install", "Alias").into_iter();
    let mut paths: Vec<String> = aliases.map(|alias| clean(&alias)).collect();
    if let Some(name) = enabled_name(service) {
        for (key, directory) in [
            ("WantedBy", "wants"),
            ("RequiredBy", "requires"),
            ("UpheldBy", "upholds"),
        ] {
            let units = service.list("Install", key).into_iter();
            let units = units.filter(|unit| !unit.contains('/'));
            paths.extend(units.map(|unit| format!("{unit}.{directory}/{name}")));
        }
    }
    // Security: a file of others is not the generator's to replace.
    paths.retain(|path| !path.starts_with('/') && !path.starts_with(".."));
    let link = |path: String| Link {
        target: "../".repeat(path.matches('/').count()) + &service.name,
        path,
    };
    paths.into_iter().map(link).collect()
}

/// The name by which others want it; a template is wanted by an instance.
fn enabled_name(service: &Unit) -> Option<String> {
    match base_name(&service.name).strip_suffix('@') {
        None => Some(service.name.clone()),
        Some(template) => {
            let instance = service.text("Install", "DefaultInstance")?;
            Some(format!("{template}@{instance}.service"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_want_the_service() {
        let text = "[Install]\nAlias=b.service ./d.wants/c.service ../e.service\n\
                    WantedBy=x.target y/z.target\nRequiredBy=x.target\nUpheldBy=y.service\n";
        let mut service = Unit::parse(text).unwrap();
        service.name = "a.service".to_owned();
        let shown = |service: &Unit| {
            let links = links(service).into_iter();
            let links: Vec<_> = links
                .map(|link| format!("{}={}", link.path, link.target))
                .collect();
            links.join(" ")
        };
        assert_eq!(
            shown(&service),
            "b.service=a.service d.wants/c.service=../a.service \
             x.target.wants/a.service=../a.service x.target.requires/a.service=../a.service \
             y.service.upholds/a.service=../a.service"
        );
        service = Unit::parse("[Install]\nWantedBy=x.target\n").unwrap();
        service.name = "a@.service".to_owned();
        assert_eq!(shown(&service), "");
        service.add("Install", "DefaultInstance", "i");
        assert_eq!(shown(&service), "x.target.wants/a@i.service=../a@.service");
    }
}
