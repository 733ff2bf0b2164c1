// SPDX-License-Identifier: Apache-2.0 OR MIT
//! policy.json(5): which registries images are taken from. Signatures cannot be checked here, so
//! what asks for one is refused, never taken unchecked. Without a file everything is taken.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::document::is_absent;
use crate::oci::Reference;
use crate::sys::account::{Environment, xdg_directory};
use crate::sys::{Called, SysError};

/// The rules of a policy.json.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    path: PathBuf,
    default: Vec<Requirement>,
    /// The scopes of each transport; the empty one holds for all that have no other.
    transports: BTreeMap<String, BTreeMap<String, Vec<Requirement>>>,
}

/// Why an image is not taken, or the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read.
    #[error("read the policy {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: SysError,
    },
    /// It is no policy.
    #[error("invalid policy in \"{}\"", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A scope without any rule.
    #[error("invalid policy in \"{}\": no requirements for \"{scope}\"", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// `default`, or a registry.
        scope: String,
    },
    /// `reject`.
    #[error(
        "Source image rejected: Running image {name} is rejected by policy ({})",
        path.display()
    )]
    Rejected {
        /// The image with its transport.
        name: String,
        /// Which file says so.
        path: PathBuf,
    },
    /// `signedBy` and its kin.
    #[error(
        "Source image rejected: {} asks for a signature of {name} ({kind}), which coracle \
         cannot check yet; pull it with another tool, or change the policy",
        path.display()
    )]
    Signature {
        /// The image with its transport.
        name: String,
        /// Which kind of signature.
        kind: &'static str,
        /// Which file says so.
        path: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Requirement {
    InsecureAcceptAnything,
    Reject,
    SignedBy,
    SignedBaseLayer,
    SigstoreSigned,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    default: Vec<Requirement>,
    #[serde(default)]
    transports: BTreeMap<String, BTreeMap<String, Vec<Requirement>>>,
}

impl Policy {
    /// Reads the file that is named, else the user's, else the system's.
    ///
    /// # Errors
    ///
    /// A file that is there and does not read: a rule that is not understood must not be skipped.
    pub fn load(env: Environment<'_>, named: Option<&Path>) -> Result<Self, PolicyError> {
        if let Some(path) = named {
            return match fs::read(path) {
                Ok(bytes) => Self::parse(path, &bytes),
                Err(error) => Err(unreadable(path.to_owned(), error)),
            };
        }
        let own = xdg_directory(env, "XDG_CONFIG_HOME", ".config").join("containers");
        let system = ["/etc/containers", "/usr/share/containers"].map(PathBuf::from);
        for directory in [own].into_iter().chain(system) {
            let path = directory.join("policy.json");
            match fs::read(&path) {
                Ok(bytes) => return Self::parse(&path, &bytes),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(unreadable(path, error)),
            }
        }
        Ok(Self {
            default: vec![Requirement::InsecureAcceptAnything],
            ..Self::default()
        })
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, PolicyError> {
        let path = path.to_owned();
        let written: Written = match serde_json::from_slice(bytes) {
            Ok(written) => written,
            Err(source) => return Err(PolicyError::Syntax { path, source }),
        };
        let mut scopes = written.transports.values().flatten();
        let empty = scopes.find(|(_, rules)| rules.is_empty());
        let empty = empty.map(|(scope, _)| scope.clone());
        let no_default = written.default.is_empty().then(|| "default".to_owned());
        if let Some(scope) = no_default.or(empty) {
            return Err(PolicyError::Empty { path, scope });
        }
        Ok(Self {
            path,
            default: written.default,
            transports: written.transports,
        })
    }

    /// Checks that an image of the full name `name` may be taken from a registry.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Rejected`], [`PolicyError::Signature`].
    pub fn check(&self, name: &Reference) -> Result<(), PolicyError> {
        self.apply(self.requirements(name), &format!("docker://{name}"))
    }

    /// Checks that images may be taken from the file or directory at `path`, which is read as
    /// `transport`; standard input has no path.
    ///
    /// # Errors
    ///
    /// As [`Policy::check`].
    pub fn check_file(&self, transport: &str, path: Option<&Path>) -> Result<(), PolicyError> {
        let ancestors = path.into_iter().flat_map(Path::ancestors);
        let scopes = ancestors.map(|scope| scope.display().to_string());
        let requirements = self.closest(transport, scopes.chain([String::new()]));
        let path = path.unwrap_or_else(|| Path::new("/dev/stdin")).display();
        self.apply(requirements, &format!("{transport}:{path}"))
    }

    fn apply(&self, requirements: &[Requirement], name: &str) -> Result<(), PolicyError> {
        let signature = |kind| PolicyError::Signature {
            name: name.to_owned(),
            kind,
            path: self.path.clone(),
        };
        for requirement in requirements {
            match requirement {
                Requirement::InsecureAcceptAnything => {}
                Requirement::Reject => {
                    let (name, path) = (name.to_owned(), self.path.clone());
                    return Err(PolicyError::Rejected { name, path });
                }
                Requirement::SignedBy => return Err(signature("signedBy")),
                Requirement::SignedBaseLayer => return Err(signature("signedBaseLayer")),
                Requirement::SigstoreSigned => return Err(signature("sigstoreSigned")),
            }
        }
        Ok(())
    }

    /// The rules of the closest scope: the name, its repository, the namespaces, the registry,
    /// wildcards of its domain, all registries, everything.
    fn requirements(&self, name: &Reference) -> &[Requirement] {
        let whole = name.to_string();
        let repository = name.repository();
        let parents = std::iter::successors(Some(repository.as_str()), |scope| {
            scope.rsplit_once('/').map(|(parent, _)| parent)
        });
        let host = name.domain().unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        let wildcards = host
            .match_indices('.')
            .map(|(at, _)| format!("*{}", &host[at..]));
        let scopes = std::iter::once(whole)
            .chain(parents.map(str::to_owned))
            .chain(wildcards)
            .chain([String::new()]);
        self.closest("docker", scopes)
    }

    fn closest(&self, transport: &str, mut scopes: impl Iterator<Item = String>) -> &[Requirement] {
        let rules = self.transports.get(transport);
        let found = rules.and_then(|rules| scopes.find_map(|scope| rules.get(&scope)));
        found.unwrap_or(&self.default)
    }
}

fn unreadable(path: PathBuf, error: std::io::Error) -> PolicyError {
    let called = Err::<(), _>(error).called(|| format!("open({})", path.display()));
    let source = called.expect_err("it is an error");
    PolicyError::Unreadable { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Result<Policy, PolicyError> {
        Policy::parse(Path::new("/policy.json"), text.as_bytes())
    }

    #[test]
    fn the_closest_rule_counts() {
        let policy = policy(
            r#"{"default": [{"type": "reject"}], "transports": {"docker": {
                "docker.io/library": [{"type": "insecureAcceptAnything"}],
                "docker.io/library/bad": [{"type": "reject"}],
                "docker.io/library/bad:good": [{"type": "insecureAcceptAnything"}],
                "*.example.com": [{"type": "insecureAcceptAnything"}],
                "signed.io": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}]
            }, "docker-daemon": {"": [{"type": "insecureAcceptAnything"}]}}}"#,
        )
        .unwrap();
        for (name, words) in [
            ("x", None),
            ("bad", Some("is rejected by policy")),
            ("bad:good", None),
            ("a/b", Some("is rejected by policy")),
            ("a.example.com:5000/x", None),
            ("b.a.example.com/x", None),
            ("example.com/x", Some("is rejected by policy")),
            ("signed.io/x", Some("asks for a signature")),
        ] {
            let name = Reference::parse_normalized(name).unwrap();
            let found = policy.check(&name).map_err(|error| error.to_string());
            match (found, words) {
                (Ok(()), None) => {}
                (Err(found), Some(words)) => assert!(found.contains(words), "{found}"),
                (found, words) => panic!("{name}: {found:?}, not {words:?}"),
            }
        }
    }

    #[test]
    fn files_have_rules_too() {
        let policy = policy(
            r#"{"default": [{"type": "reject"}], "transports": {
                "docker-archive": {"": [{"type": "insecureAcceptAnything"}],
                                   "/bad": [{"type": "reject"}]}}}"#,
        )
        .unwrap();
        for (transport, path, is_taken) in [
            ("docker-archive", Some("/good/x.tar"), true),
            ("docker-archive", None, true),
            ("docker-archive", Some("/bad/x.tar"), false),
            ("oci-archive", Some("/good/x.tar"), false),
        ] {
            let checked = policy.check_file(transport, path.map(Path::new));
            assert_eq!(checked.is_ok(), is_taken, "{transport} {path:?}");
        }
        let refused = policy.check_file("oci", Some(Path::new("/x"))).unwrap_err();
        let words = "Running image oci:/x is rejected by policy (/policy.json)";
        assert!(refused.to_string().ends_with(words), "{refused}");
    }

    #[test]
    fn a_rule_that_is_not_understood_is_an_error() {
        for text in [
            "",
            "{}",
            r#"{"default": []}"#,
            r#"{"default": [{"type": "perhaps"}]}"#,
            r#"{"default": [{"type": "reject"}], "transport": {}}"#,
            r#"{"default": [{"type": "reject"}], "transports": {"docker": {"a.io": []}}}"#,
        ] {
            assert!(policy(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn without_a_file_everything_is_taken() {
        let home = tempfile::tempdir().unwrap();
        let env = |name: &str| (name == "XDG_CONFIG_HOME").then(|| home.path().into());
        let name = Reference::parse_normalized("x").unwrap();
        if !Path::new("/etc/containers/policy.json").exists() {
            assert!(Policy::load(&env, None).unwrap().check(&name).is_ok());
        }
        let own = home.path().join("containers");
        fs::create_dir(&own).unwrap();
        let file = fs::File::create(own.join("policy.json")).unwrap();
        serde_json::to_writer(file, &serde_json::json!({"default": [{"type": "reject"}]})).unwrap();
        assert!(Policy::load(&env, None).unwrap().check(&name).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[{}\\[\\]\":, a-zA-Z*./]{0,60}", name in "[a-z./:]{1,16}") {
            let rule = r#"[{"type": "reject"}]"#;
            let whole = format!(r#"{{"default": {rule}, "transports": {{"docker": {{"{name}": {rule}}}}}}}"#);
            for text in [text, whole] {
                if let (Ok(policy), Ok(name)) = (policy(&text), Reference::parse_normalized(&name)) {
                    drop(policy.check(&name));
                }
            }
        }
    }
}
