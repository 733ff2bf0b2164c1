// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Debian's docker-registry on this machine, with a directory of its own, gone when the test ends.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::host::free_port;
use super::process::{Call, Running};

/// The user of [`Registry::with_login`].
pub(crate) const USER: &str = "ana";
/// Their password, with what splits such pairs.
pub(crate) const PASSWORD: &str = "s:ecret";
/// The two, as Basic authorization has them.
pub(crate) const LOGIN: &str = "YW5hOnM6ZWNyZXQ=";
/// The line of an htpasswd file for the two.
const HTPASSWD: &str = "ana:$2y$04$esD4aw2tAmhEdYl24b.couedQW6vq8zowvo3iEojqI1FVd7G/UVe2\n";

/// A name that the certificate of [`Registry::with_tls`] holds, and that nobody resolves.
pub(crate) const NOWHERE: &str = "registry.test";

/// A registry server.
#[derive(Debug)]
pub(crate) struct Registry {
    server: Running,
    directory: tempfile::TempDir,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Registry {
    /// One that everybody may use.
    pub(crate) fn open() -> Self {
        Self::start("", "")
    }

    /// One that only [`USER`] may use.
    pub(crate) fn with_login() -> Self {
        Self::start("", AUTH)
    }

    /// The same behind TLS, with a certificate of its own.
    pub(crate) fn with_tls() -> Self {
        let tls =
            "\n  tls:\n    certificate: DIRECTORY/certs/ca.crt\n    key: DIRECTORY/server.key";
        Self::start(tls, AUTH)
    }

    /// The directory that holds the certificate, as certs.d has one for each registry.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.directory.path().join("certs")
    }

    fn start(tls: &str, more: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the registry");
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nhttp:\n  addr: {address}{tls}\nstorage:\n  \
             delete:\n    enabled: true\n  filesystem:\n    rootdirectory: DIRECTORY/data\n{more}"
        );
        let config = config.replace("DIRECTORY", &directory.path().to_string_lossy());
        let path = directory.path().join("config.yml");
        fs::write(&path, config).unwrap();
        fs::write(directory.path().join("htpasswd"), HTPASSWD).unwrap();
        if !tls.is_empty() {
            make_certificate(directory.path());
        }
        let call = Call::new("docker-registry").args(["serve", &path.to_string_lossy()]);
        let server = call.patience(Duration::from_mins(10)).spawn();
        wait_for_listener(&address, &server);
        Self {
            server,
            directory,
            address,
        }
    }

    /// A name at this registry.
    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// Makes a repository with a tag that leads nowhere: enough for what lists them.
    pub(crate) fn make_tag(&self, repository: &str, tag: &str) {
        let repository = self
            .data()
            .join("docker/registry/v2/repositories")
            .join(repository);
        fs::create_dir_all(repository.join("_manifests/tags").join(tag)).unwrap();
        // What makes it one for the list of all repositories.
        fs::create_dir_all(repository.join("_layers")).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

const AUTH: &str = "auth:\n  htpasswd:\n    realm: test\n    path: DIRECTORY/htpasswd\n";

/// As people make them for a registry of their own.
fn make_certificate(directory: &Path) {
    fs::create_dir(directory.join("certs")).unwrap();
    let names = format!("subjectAltName=IP:127.0.0.1,DNS:{NOWHERE}");
    let (key, certificate) = (directory.join("server.key"), directory.join("certs/ca.crt"));
    let kind =
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test";
    let call = Call::new("openssl").args(kind.split(' '));
    let call = call.args(["-addext", &names, "-keyout", &key.to_string_lossy()]);
    call.args(["-out", &certificate.to_string_lossy()])
        .run()
        .expect(0);
}

fn wait_for_listener(address: &str, server: &Running) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(address).is_err() {
        assert!(
            server.runs() && Instant::now() < deadline,
            "docker-registry does not listen: {}",
            server.stderr.text()
        );
        server.wait_at_most(Duration::from_millis(20));
    }
}
