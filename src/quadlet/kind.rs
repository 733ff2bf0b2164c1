// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The kinds of quadlet files: what they are called, and what they are called by others.

use super::unit::Unit;

/// A kind of quadlet file. Those that others wait for come before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An image to pull.
    Image,
    /// An artifact to pull.
    Artifact,
    /// A volume.
    Volume,
    /// A network.
    Network,
    /// An image to build.
    Build,
    /// A container.
    Container,
    /// What a Kubernetes file describes.
    Kube,
    /// A pod; it starts the containers that are in it.
    Pod,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Image,
        Self::Artifact,
        Self::Volume,
        Self::Network,
        Self::Build,
        Self::Container,
        Self::Kube,
        Self::Pod,
    ];

    /// That of the file `name`.
    pub fn of(name: &str) -> Option<Self> {
        let (base, extension) = name.rsplit_once('.')?;
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.extension() == extension && !base.is_empty())
    }

    /// How names of its files end.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Artifact => "artifact",
            Self::Volume => "volume",
            Self::Network => "network",
            Self::Build => "build",
            Self::Container => "container",
            Self::Kube => "kube",
            Self::Pod => "pod",
        }
    }

    /// The group that is about it.
    pub fn group(self) -> &'static str {
        match self {
            Self::Image => "Image",
            Self::Artifact => "Artifact",
            Self::Volume => "Volume",
            Self::Network => "Network",
            Self::Build => "Build",
            Self::Container => "Container",
            Self::Kube => "Kube",
            Self::Pod => "Pod",
        }
    }

    /// What the name of its service has after the name of the file.
    fn suffix(self) -> &'static str {
        match self {
            Self::Image => "-image",
            Self::Artifact => "-artifact",
            Self::Volume => "-volume",
            Self::Network => "-network",
            Self::Build => "-build",
            Self::Container | Self::Kube => "",
            Self::Pod => "-pod",
        }
    }

    /// The name of the service of `unit`, without `.service`.
    pub fn service_name(self, unit: &Unit) -> String {
        if let Some(name) = unit.text(self.group(), "ServiceName") {
            return name.to_owned();
        }
        let (base, suffix) = (base_name(&unit.name), self.suffix());
        match base.strip_suffix('@') {
            Some(template) => format!("{template}{suffix}@"),
            None => format!("{base}{suffix}"),
        }
    }

    /// What the thing that `unit` makes is called, where another unit can be told: a specifier
    /// of systemd means something else there.
    pub fn resource_name(self, unit: &Unit) -> Option<String> {
        let name = match self {
            Self::Container => container_name(unit).replace("%N", &self.service_name(unit)),
            Self::Pod => pod_name(unit),
            Self::Volume => named(unit, self, "VolumeName"),
            Self::Network => named(unit, self, "NetworkName"),
            Self::Image => {
                let tag = unit.text(self.group(), "ImageTag");
                tag.or_else(|| unit.text(self.group(), "Image"))?.to_owned()
            }
            Self::Artifact => unit.text(self.group(), "Artifact")?.to_owned(),
            Self::Build => (*unit.all(self.group(), "ImageTag").first()?).to_owned(),
            Self::Kube => return None,
        };
        let is_told = self != Self::Container || !name.contains('%');
        is_told.then_some(name)
    }
}

/// The name of a file without its extension.
pub(super) fn base_name(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(base, _)| base)
}

/// What a container is called, perhaps by specifiers of systemd.
pub(super) fn container_name(unit: &Unit) -> String {
    let default = if unit.name.contains('@') {
        "systemd-%p_%i"
    } else {
        "systemd-%N"
    };
    let name = unit.text(Kind::Container.group(), "ContainerName");
    name.unwrap_or(default).to_owned()
}

/// What a pod is called.
pub(super) fn pod_name(unit: &Unit) -> String {
    match unit.text(Kind::Pod.group(), "PodName") {
        Some(name) => name.to_owned(),
        None => format!("systemd-{}", base_name(&unit.name)),
    }
}

/// What a volume or a network is called.
pub(super) fn named(unit: &Unit, kind: Kind, key: &str) -> String {
    if let Some(name) = unit.text(kind.group(), key) {
        return name.to_owned();
    }
    let base = base_name(&unit.name);
    match base.split_once('@') {
        Some((template, _)) => format!("systemd-{template}-%i"),
        None => format!("systemd-{base}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str, text: &str) -> (String, Option<String>) {
        let mut unit = Unit::parse(text).unwrap();
        name.clone_into(&mut unit.name);
        let kind = Kind::of(name).unwrap();
        (kind.service_name(&unit), kind.resource_name(&unit))
    }

    #[test]
    fn services_and_what_they_make_have_names() {
        let cases = [
            ("a.container", "", "a", Some("systemd-a")),
            ("a@.container", "", "a@", None),
            (
                "a.container",
                "[Container]\nContainerName=n",
                "a",
                Some("n"),
            ),
            (
                "a.container",
                "[Container]\nServiceName=s",
                "s",
                Some("systemd-s"),
            ),
            ("a.b.volume", "", "a.b-volume", Some("systemd-a.b")),
            ("a@.volume", "", "a-volume@", Some("systemd-a-%i")),
            (
                "a.network",
                "[Network]\nNetworkName=n",
                "a-network",
                Some("n"),
            ),
            ("a.image", "[Image]\nImage=i", "a-image", Some("i")),
            (
                "a.image",
                "[Image]\nImage=i\nImageTag=t",
                "a-image",
                Some("t"),
            ),
            (
                "a.build",
                "[Build]\nImageTag=t\nImageTag=u",
                "a-build",
                Some("t"),
            ),
            ("a.build", "", "a-build", None),
            ("a.pod", "", "a-pod", Some("systemd-a")),
            ("a.kube", "", "a", None),
        ];
        for (name, text, service, resource) in cases {
            let expected = (service.to_owned(), resource.map(str::to_owned));
            assert_eq!(names(name, text), expected, "{name} {text}");
        }
        assert_eq!((Kind::of("a.service"), Kind::of(".pod")), (None, None));
    }
}
