// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What names become under which configuration.

use std::fs;

use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn conf(rules: Rules, texts: &[&str]) -> Result<RegistriesConf, RegistriesError> {
    let mut conf = RegistriesConf::empty(rules);
    for (number, text) in texts.iter().enumerate() {
        let path = PathBuf::from(format!("/{number}.conf"));
        conf.merge(toml::from_str(text).unwrap(), &path)?;
    }
    Ok(conf)
}

fn podman(texts: &[&str]) -> RegistriesConf {
    conf(Rules::Podman, texts).unwrap()
}

fn resolved(conf: &RegistriesConf, name: &str) -> Vec<String> {
    let resolved = conf.resolve(&Reference::parse(name).unwrap()).unwrap();
    let candidates = resolved.candidates.iter().map(ToString::to_string);
    candidates.collect()
}

fn sources(conf: &RegistriesConf, name: &str) -> Vec<String> {
    let name = Reference::parse_normalized(name).unwrap();
    let sources = conf.pull_sources(&name, TlsVerify::AsConfigured).unwrap();
    let shown = |source: &Source| match source.trust {
        Trust::Verified => source.reference.to_string(),
        Trust::Insecure => format!("{} insecure", source.reference),
    };
    sources.iter().map(shown).collect()
}

#[test]
fn short_names_are_docker_hubs_unless_configured() {
    let search = "unqualified-search-registries = ['quay.io', 'h:5000/']";
    let alias = "[aliases]\nfoo = 'quay.io/x/foo'\n'a/b' = 'docker.io/b'\n";
    for (rules, texts, name, expected) in [
        (
            Rules::Podman,
            vec![],
            "foo",
            vec!["docker.io/library/foo:latest"],
        ),
        (
            Rules::Podman,
            vec![alias],
            "bar",
            vec!["docker.io/library/bar:latest"],
        ),
        (Rules::Podman, vec![alias], "foo:1", vec!["quay.io/x/foo:1"]),
        (
            Rules::Podman,
            vec![alias],
            "a/b",
            vec!["docker.io/library/b:latest"],
        ),
        (
            Rules::Podman,
            vec![alias, "[aliases]\nfoo = ''"],
            "foo",
            vec!["docker.io/library/foo:latest"],
        ),
        (
            Rules::Podman,
            vec![search],
            "foo:1",
            vec!["quay.io/foo:1", "h:5000/foo:1"],
        ),
        (
            Rules::Podman,
            vec![search],
            "k.io/foo",
            vec!["k.io/foo:latest"],
        ),
        (
            Rules::Podman,
            vec![search],
            "docker.io/foo",
            vec!["docker.io/library/foo:latest"],
        ),
        (
            Rules::Docker,
            vec![search, alias],
            "foo",
            vec!["docker.io/library/foo:latest"],
        ),
    ] {
        let conf = conf(rules, &texts).unwrap();
        assert_eq!(
            resolved(&conf, name),
            expected,
            "{rules:?} {texts:?} {name}"
        );
    }
    let by_digest = format!("foo@{DIGEST}");
    assert_eq!(
        resolved(&podman(&[alias]), &by_digest),
        [format!("quay.io/x/foo@{DIGEST}")]
    );
}

#[test]
fn an_empty_search_list_and_an_enforced_choice_are_refused() {
    let name = Reference::parse("foo").unwrap();
    let error = podman(&["unqualified-search-registries = []"]).resolve(&name);
    assert!(matches!(error, Err(RegistriesError::NoSearch { .. })));
    let text = "short-name-mode = 'enforcing'\nunqualified-search-registries = ['a.io', 'b.io']";
    let error = podman(&[text]).resolve(&name).unwrap_err().to_string();
    assert!(
        error.contains("a.io/foo:latest, b.io/foo:latest"),
        "{error}"
    );
    let one = "short-name-mode = 'enforcing'\nunqualified-search-registries = ['a.io']";
    assert_eq!(resolved(&podman(&[one]), "foo"), ["a.io/foo:latest"]);
}

#[test]
fn names_are_looked_for_at_mirrors_then_at_the_registry() {
    let text = "
        [[registry]]
        prefix = 'docker.io/library'
        location = '127.0.0.1:5000/lib'
        insecure = true
        [[registry]]
        location = 'quay.io'
        [[registry.mirror]]
        location = 'm.io/quay'
        pull-from-mirror = 'tag-only'
        [[registry.mirror]]
        location = 'n.io'
        insecure = true
        pull-from-mirror = 'digest-only'
        [[registry]]
        prefix = '*.example.com'
        insecure = true
        [[registry]]
        location = 'd.io'
        mirror-by-digest-only = true
        [[registry.mirror]]
        location = 'e.io'
    ";
    let conf = podman(&[text]);
    let quay = format!("quay.io/a@{DIGEST}");
    for (name, expected) in [
        ("x", vec!["127.0.0.1:5000/lib/x:latest insecure".to_owned()]),
        ("y/x", vec!["docker.io/y/x:latest".to_owned()]),
        (
            "quay.io/a",
            vec![
                "m.io/quay/a:latest".to_owned(),
                "quay.io/a:latest".to_owned(),
            ],
        ),
        (
            &quay,
            vec![format!("n.io/a@{DIGEST} insecure"), quay.clone()],
        ),
        (
            "a.example.com/x",
            vec!["a.example.com/x:latest insecure".to_owned()],
        ),
        ("d.io/x", vec!["d.io/x:latest".to_owned()]),
    ] {
        assert_eq!(sources(&conf, name), expected, "{name}");
    }
    let insecure = Reference::parse_normalized("a.example.com/x").unwrap();
    let always = conf.registry(&insecure, TlsVerify::Always).unwrap();
    assert_eq!(always.trust, Trust::Verified);
    assert_eq!(
        conf.trust_of("b.example.com", TlsVerify::AsConfigured),
        Trust::Insecure
    );
    assert_eq!(conf.trust_of("quay.io", TlsVerify::Never), Trust::Insecure);
}

#[test]
fn blocked_registries_and_later_files() {
    let conf = podman(&[
        "[[registry]]\nlocation = 'a.io'\ninsecure = true",
        "[[registry]]\nlocation = 'a.io/bad'\nblocked = true\n[[registry]]\nlocation = 'a.io'",
    ]);
    assert_eq!(sources(&conf, "a.io/x"), ["a.io/x:latest"]);
    let bad = Reference::parse_normalized("a.io/bad/x").unwrap();
    let error = conf.registry(&bad, TlsVerify::AsConfigured).unwrap_err();
    assert_eq!(
        error.to_string(),
        "registry a.io/bad is blocked in registries.conf"
    );
}

#[test]
fn docker_trusts_this_machine_and_podman_does_not() {
    let docker = conf(Rules::Docker, &[]).unwrap();
    assert_eq!(
        sources(&docker, "localhost:5000/x"),
        ["localhost:5000/x:latest insecure"]
    );
    assert_eq!(sources(&docker, "x"), ["docker.io/library/x:latest"]);
    assert_eq!(
        sources(&podman(&[]), "localhost:5000/x"),
        ["localhost:5000/x:latest"]
    );
}

#[test]
fn nonsense_is_refused_with_what_is_wrong() {
    for (text, words) in [
        (
            "[registries.search]\nregistries = ['docker.io']",
            "must be in v2 format but is in v1",
        ),
        (
            "[[registry]]\nlocation = 'https://a.io'",
            "URI schemes are not supported",
        ),
        (
            "[[registry]]\ninsecure = true",
            "both location and prefix are unset",
        ),
        (
            "[[registry]]\nprefix = 'a.io'",
            "not in the format: *.example.com",
        ),
        ("[[registry]]\nprefix = '*.a.io/x'", "incorrectly formatted"),
        ("[[registry]]\nlocation = 'a b'", "must be a host"),
        (
            "[[registry]]\nlocation = 'a.io'\npull-from-mirror = 'all'",
            "non-mirror registry",
        ),
        (
            "[[registry]]\nlocation = 'a.io'\n[[registry.mirror]]\ninsecure = true",
            "is unset",
        ),
        (
            "[[registry]]\nlocation = 'a.io'\n[[registry.mirror]]\nlocation = 'b.io'\n\
             pull-from-mirror = 'never'",
            "unsupported pull-from-mirror value",
        ),
        (
            "[[registry]]\nlocation = 'a.io'\n[[registry]]\nprefix = 'b.io'\nlocation = 'a.io'\n\
             blocked = true",
            "conflicting 'blocked' setting",
        ),
        (
            "unqualified-search-registries = ['a/b']",
            "invalid unqualified-search-registries",
        ),
        ("short-name-mode = 'ask'", "invalid short-name mode"),
        ("[aliases]\nx = 'y'", "invalid alias"),
        ("[aliases]\nx = 'a.io/y:1'", "invalid alias"),
        ("[aliases]\n'a.io/x' = 'a.io/y'", "invalid alias"),
    ] {
        let Err(RegistriesError::File { source, .. }) = conf(Rules::Podman, &[text]) else {
            panic!("{text:?} was accepted");
        };
        assert!(source.to_string().contains(words), "{source}");
    }
}

#[test]
fn files_are_found_as_podman_finds_them() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("containers");
    fs::create_dir_all(directory.join("registries.conf.d")).unwrap();
    let own = directory.join("registries.conf");
    let drop_in = directory.join("registries.conf.d/x.conf");
    fs::File::create(&drop_in).unwrap();
    let env = |name: &str| (name == "XDG_CONFIG_HOME").then(|| home.path().into());
    let paths = |named: Option<&Path>| {
        let files = search_path(&env, named).into_iter();
        files.map(|(path, _)| path).collect::<Vec<_>>()
    };
    assert_eq!(paths(None).last(), Some(&drop_in));
    fs::File::create(&own).unwrap();
    assert_eq!(paths(None), [own, drop_in.clone()]);
    let named = paths(Some(Path::new("/named")));
    assert_eq!(named.first(), Some(&PathBuf::from("/named")));
    assert_eq!(named.last(), Some(&drop_in));
}

proptest::proptest! {
    #[test]
    fn no_text_and_no_name_makes_it_panic(
        prefix in "[*.a-z:/@0-9]{0,12}",
        location in "[.a-zA-Z:/@0-9 ]{0,12}",
        search in "[.a-z:/0-9]{0,8}",
        name in "[a-z.:/0-9]{1,20}",
    ) {
        let text = format!(
            "unqualified-search-registries = ['{search}']\n\
             [[registry]]\nprefix = '{prefix}'\nlocation = '{location}'\n\
             [[registry.mirror]]\nlocation = '{location}'"
        );
        let conf = conf(Rules::Podman, &[&text]);
        if let (Ok(conf), Ok(name)) = (conf, Reference::parse(&name)) {
            for candidate in conf.resolve(&name).unwrap().candidates {
                if let Ok(sources) = conf.pull_sources(&candidate, TlsVerify::AsConfigured) {
                    assert!(sources.iter().all(|source| source.reference.domain().is_some()));
                }
            }
        }
    }

    #[test]
    fn any_toml_is_accepted_or_refused(text in "(registry|aliases|=|\\[|\\]|'a.io'|\n|\\.| ){0,20}") {
        drop(toml::from_str::<Written>(&text).map(Written::check));
    }
}
