// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One file of logins as a document: looked up, and edited without touching what is not ours.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{AuthFile, AuthFormat, LoginKey};
use crate::config::credentials::{Credentials, Secret};
use crate::config::document::is_absent;
use crate::sys::{Called, SysError};

/// Why a file of logins cannot be used. What stands in it is never told.
#[derive(Debug, thiserror::Error)]
pub enum AuthFileError {
    /// It cannot be read.
    #[error("reading JSON file \"{}\"", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: SysError,
    },
    /// It is no JSON object.
    #[error(
        "reading JSON file \"{}\": it is no JSON object with logins (line {line})",
        path.display()
    )]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
    },
    /// A login that is not `base64(user:password)`.
    #[error("the login for {key} in \"{}\" does not read; log in again", path.display())]
    Login {
        /// The file.
        path: PathBuf,
        /// The entry.
        key: String,
    },
}

/// A login as a file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user's name; empty where only a token is known.
    pub user: String,
    /// What the registry wants.
    pub credentials: Credentials,
}

/// What a file says of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// The login.
    Login(Login),
    /// That `docker-credential-NAME` has it.
    Helper(String),
}

/// One file of logins.
#[derive(Debug, Clone)]
pub struct AuthDocument {
    path: PathBuf,
    format: AuthFormat,
    /// Never shown: it holds the secrets.
    content: Content,
}

#[derive(Clone)]
struct Content(Map<String, Value>);

impl std::fmt::Debug for Content {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("<hidden>")
    }
}

impl AuthDocument {
    /// Reads `file`; one that does not exist is empty.
    ///
    /// # Errors
    ///
    /// [`AuthFileError::Unreadable`], [`AuthFileError::Syntax`].
    pub fn read(file: &AuthFile) -> Result<Self, AuthFileError> {
        let path = &file.path;
        let bytes = match fs::read(path) {
            Err(error) if is_absent(&error) => b"{}".to_vec(),
            result => result
                .called(|| format!("open({})", path.display()))
                .map_err(|source| {
                    let path = path.clone();
                    AuthFileError::Unreadable { path, source }
                })?,
        };
        Self::parse(path, file.format, &bytes)
    }

    pub(super) fn parse(
        path: &Path,
        format: AuthFormat,
        bytes: &[u8],
    ) -> Result<Self, AuthFileError> {
        let syntax = |line| AuthFileError::Syntax {
            path: path.to_owned(),
            line,
        };
        // An empty file is what `touch` and /dev/null make.
        let bytes = if bytes.is_empty() { b"{}" } else { bytes };
        let content: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| syntax(error.line()))?;
        let is_table = |key: &str| {
            content
                .get(key)
                .is_none_or(|v| v.is_object() || v.is_null())
        };
        if format != AuthFormat::Legacy && !(is_table("auths") && is_table("credHelpers")) {
            return Err(syntax(1));
        }
        Ok(Self {
            path: path.to_owned(),
            format,
            content: Content(content),
        })
    }

    /// What it says of `key`.
    ///
    /// # Errors
    ///
    /// [`AuthFileError::Login`] if it is there and does not read.
    pub fn find(&self, key: &LoginKey) -> Result<Found, AuthFileError> {
        if let Some(helper) = self.helper_of(key) {
            return Ok(Found::Helper(helper.to_owned()));
        }
        let auths = self.auths();
        let exact = key
            .candidates()
            .filter(|candidate| self.format != AuthFormat::Legacy || *candidate == key.registry())
            .find_map(|candidate| auths?.get_key_value(candidate));
        let similar = || {
            auths?
                .iter()
                .find(|(written, _)| key.is_registry_of(written))
        };
        if let Some((written, entry)) = exact.or_else(similar)
            && let Some(login) = self.login(written, entry)?
        {
            return Ok(Found::Login(login));
        }
        // Docker leaves an empty entry for what its store has.
        Ok(match self.store() {
            Some(store) => Found::Helper(store.to_owned()),
            None => Found::Nothing,
        })
    }

    /// Every registry that it knows, as auth.json writes them.
    pub fn keys(&self) -> Vec<String> {
        let auths = self.auths().into_iter().flat_map(Map::keys);
        let helpers = self.table("credHelpers").into_iter().flat_map(Map::keys);
        let keys = auths
            .chain(helpers)
            .filter_map(|key| LoginKey::parse(key).ok());
        let mut keys: Vec<_> = keys.map(|key| key.as_str().to_owned()).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// The helper that a login for `key` is given to instead of the file.
    pub fn helper_for(&self, key: &LoginKey) -> Option<&str> {
        self.helper_of(key).or_else(|| self.store())
    }

    /// Puts a login into the document.
    pub fn set(&mut self, key: &LoginKey, user: &str, password: &Secret) {
        let pair = format!("{user}:{}", password.reveal());
        let entry = json!({ "auth": STANDARD.encode(pair) });
        self.put(key, entry);
    }

    /// Puts a login into the document that a registry wants to see as a token from now on.
    pub fn set_token(&mut self, key: &LoginKey, user: &str, token: &Secret) {
        let pair = STANDARD.encode(format!("{user}:"));
        let entry = json!({ "auth": pair, "identitytoken": token.reveal() });
        self.put(key, entry);
    }

    /// Notes that a helper has the login, as docker does.
    pub fn set_kept_elsewhere(&mut self, key: &LoginKey) {
        self.put(key, json!({}));
    }

    /// Takes a login out; whether there was one.
    pub fn remove(&mut self, key: &LoginKey) -> bool {
        let name = self.written_name(key);
        let auths = self.auths_mut();
        let before = auths.len();
        auths.remove(&name);
        if !key.is_namespaced() {
            auths.retain(|written, _| {
                let is_url = written.starts_with("http://") || written.starts_with("https://");
                !(is_url && key.is_registry_of(written))
            });
        }
        auths.len() < before
    }

    /// Takes all logins out; which registries' helpers are to forget theirs, too.
    pub fn remove_all(&mut self) -> Vec<(String, String)> {
        self.auths_mut().clear();
        let helpers = self.table("credHelpers").into_iter().flatten();
        let helpers =
            helpers.filter_map(|(host, name)| Some((host.clone(), name.as_str()?.into())));
        helpers.collect()
    }

    /// The document as it is to be written.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let indent = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, indent);
        serde::Serialize::serialize(&self.content.0, &mut serializer)
            .expect("a document of JSON values is JSON");
        bytes.push(b'\n');
        bytes
    }

    fn put(&mut self, key: &LoginKey, entry: Value) {
        let name = self.written_name(key);
        self.auths_mut().insert(name, entry);
    }

    fn written_name(&self, key: &LoginKey) -> String {
        match self.format {
            AuthFormat::Docker if !key.is_namespaced() => key.docker_name().to_owned(),
            AuthFormat::Docker | AuthFormat::Containers | AuthFormat::Legacy => {
                key.as_str().to_owned()
            }
        }
    }

    fn table(&self, name: &str) -> Option<&Map<String, Value>> {
        self.content.0.get(name)?.as_object()
    }

    fn auths(&self) -> Option<&Map<String, Value>> {
        match self.format {
            AuthFormat::Legacy => Some(&self.content.0),
            AuthFormat::Containers | AuthFormat::Docker => self.table("auths"),
        }
    }

    fn auths_mut(&mut self) -> &mut Map<String, Value> {
        let content = &mut self.content.0;
        if self.format == AuthFormat::Legacy {
            return content;
        }
        let auths = content.entry("auths").or_insert(Value::Null);
        if !auths.is_object() {
            *auths = json!({});
        }
        auths.as_object_mut().expect("it was made an object")
    }

    /// `credHelpers` name registries, in docker's or in plain words.
    fn helper_of(&self, key: &LoginKey) -> Option<&str> {
        let helpers = self.table("credHelpers")?;
        let by_name = helpers.get(key.registry());
        let by_other_name = || {
            let mut helpers = helpers.iter();
            let found = helpers.find(|(written, _)| key.is_registry_of(written));
            found.map(|(_, helper)| helper)
        };
        let helper = by_name.or_else(by_other_name)?.as_str()?;
        (!helper.is_empty()).then_some(helper)
    }

    /// `credsStore`, which Podman's file does not have.
    fn store(&self) -> Option<&str> {
        let store = self.content.0.get("credsStore")?.as_str()?;
        (self.format == AuthFormat::Docker && !store.is_empty()).then_some(store)
    }

    fn login(&self, key: &str, entry: &Value) -> Result<Option<Login>, AuthFileError> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let bad = || AuthFileError::Login {
            path: self.path.clone(),
            key: key.to_owned(),
        };
        let decoded = STANDARD.decode(text("auth")).map_err(|_secret| bad())?;
        let decoded = String::from_utf8(decoded).map_err(|_secret| bad())?;
        let (user, password) = match decoded.split_once(':') {
            Some((user, password)) => (user, password.trim_matches('\0')),
            None if decoded.is_empty() => (text("username"), text("password")),
            None => return Err(bad()),
        };
        let token = text("identitytoken");
        let credentials = match (user.is_empty(), token.is_empty()) {
            (_, false) => Credentials::IdentityToken(Secret::new(token)),
            (true, true) => return Ok(None),
            (false, true) => Credentials::Basic {
                user: user.to_owned(),
                password: Secret::new(password),
            },
        };
        let user = user.to_owned();
        Ok(Some(Login { user, credentials }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(format: AuthFormat, text: &str) -> AuthDocument {
        AuthDocument::parse(Path::new("/auth.json"), format, text.as_bytes()).unwrap()
    }

    fn found(document: &AuthDocument, key: &str) -> String {
        let key = LoginKey::parse(key).unwrap();
        match document.find(&key).unwrap() {
            Found::Nothing => "nothing".to_owned(),
            Found::Helper(name) => format!("helper {name}"),
            Found::Login(login) => match login.credentials {
                Credentials::Basic { user, password } => format!("{user}/{}", password.reveal()),
                Credentials::IdentityToken(token) => format!("token {}", token.reveal()),
                Credentials::Anonymous => "anonymous".to_owned(),
            },
        }
    }

    fn auth(pair: &str) -> String {
        STANDARD.encode(pair)
    }

    #[test]
    fn the_closest_login_counts() {
        let text = format!(
            r#"{{"auths": {{
                "a.io": {{"auth": "{}"}}, "a.io/ana": {{"auth": "{}"}},
                "https://index.docker.io/v1/": {{"auth": "{}"}},
                "http://b.io/v2": {{"auth": "{}"}}, "c.io": {{}},
                "t.io": {{"auth": "{}", "identitytoken": "T"}}
            }}, "credHelpers": {{"h.io": "pass"}}, "credsStore": "secretservice"}}"#,
            auth("u:p:q"),
            auth("ana:x"),
            auth("hub:h"),
            auth("old:o"),
            auth("0:")
        );
        let podman = document(AuthFormat::Containers, &text);
        for (key, expected) in [
            ("a.io", "u/p:q"),
            ("a.io/bob/web", "u/p:q"),
            ("a.io/ana/web", "ana/x"),
            ("docker.io/library/x", "hub/h"),
            ("b.io", "old/o"),
            ("c.io", "nothing"),
            ("t.io", "token T"),
            ("h.io/x", "helper pass"),
            ("nowhere.io", "nothing"),
        ] {
            assert_eq!(found(&podman, key), expected, "{key}");
        }
        let docker = document(AuthFormat::Docker, &text);
        assert_eq!(found(&docker, "c.io"), "helper secretservice");
        assert_eq!(found(&docker, "a.io"), "u/p:q");
        assert_eq!(
            podman.keys(),
            [
                "a.io",
                "a.io/ana",
                "b.io",
                "c.io",
                "docker.io",
                "h.io",
                "t.io"
            ]
        );
        let legacy = format!(r#"{{"https://a.io/v1/": {{"auth": "{}"}}}}"#, auth("u:p"));
        assert_eq!(
            found(&document(AuthFormat::Legacy, &legacy), "a.io/x"),
            "u/p"
        );
    }

    #[test]
    fn a_login_changes_nothing_else() {
        let text = r#"{"auths": {"x.io": {"auth": "eDp5"}}, "detachKeys": "ctrl-q", "z": [1]}"#;
        let mut docker = document(AuthFormat::Docker, text);
        let hub = LoginKey::parse("docker.io").unwrap();
        docker.set(&hub, "ana", &Secret::new("pw"));
        let written: Value = serde_json::from_slice(&docker.to_bytes()).unwrap();
        assert_eq!(written["detachKeys"], "ctrl-q");
        assert_eq!(written["z"], json!([1]));
        assert_eq!(
            written["auths"]["https://index.docker.io/v1/"]["auth"],
            auth("ana:pw")
        );
        assert_eq!(found(&docker, "docker.io"), "ana/pw");
        assert!(docker.remove(&hub));
        assert!(!docker.remove(&hub));
        assert_eq!(found(&docker, "x.io"), "x/y");
        docker.remove_all();
        let written: Value = serde_json::from_slice(&docker.to_bytes()).unwrap();
        assert_eq!(written["auths"], json!({}));
    }

    #[test]
    fn what_does_not_read_is_an_error_that_keeps_the_secret() {
        for text in [
            r#"{"auths": {"a.io": {"auth": "hunter2"}}}"#,
            r#"{"auths": {"a.io": {"auth": "aHVudGVyMg=="}}}"#,
        ] {
            let document = document(AuthFormat::Containers, text);
            let error = document
                .find(&LoginKey::parse("a.io").unwrap())
                .unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert!(!format!("{document:?}").contains("hunter2"));
        }
        for text in ["[]", "{", r#"{"auths": 5}"#, r#"{"credHelpers": []}"#] {
            let parsed = AuthDocument::parse(Path::new("/a"), AuthFormat::Docker, text.as_bytes());
            assert!(parsed.is_err(), "{text} was accepted");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_it_panic(
            text in "[{}\\[\\]\":, a-z0-9=.]{0,60}",
            auth in "[a-zA-Z0-9=+/:]{0,12}",
            key in "[a-z./:]{1,12}",
        ) {
            let whole = format!(r#"{{"auths": {{"{key}": {{"auth": "{auth}"}}}}}}"#);
            for text in [text, whole] {
                for format in [AuthFormat::Containers, AuthFormat::Docker, AuthFormat::Legacy] {
                    let parsed = AuthDocument::parse(Path::new("/a"), format, text.as_bytes());
                    let (Ok(mut parsed), Ok(key)) = (parsed, LoginKey::parse(&key)) else {
                        continue;
                    };
                    drop(parsed.find(&key));
                    parsed.keys();
                    // Nothing is ever written to the old format.
                    if format != AuthFormat::Legacy && parsed.helper_for(&key).is_none() {
                        parsed.set(&key, "u", &Secret::new("p"));
                        assert_eq!(found(&parsed, key.as_str()), "u/p");
                        assert!(parsed.remove(&key));
                    }
                }
            }
        }
    }
}
