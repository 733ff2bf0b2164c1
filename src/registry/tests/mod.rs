// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The client against servers that fail: each case ends in success or in one clear line.

mod server;

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Instant;

use self::server::{Manner, Reply, Seen, Server};
use super::{Blob, Credentials, DOCUMENT_MAX, RegistryError, Secret, growing};
use crate::oci::{Descriptor, Digest, media_type};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn user() -> Credentials {
    Credentials::Basic {
        user: "ana".to_owned(),
        password: Secret::new("hunter2"),
    }
}

fn bytes() -> Vec<u8> {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// A server of one blob; `fault` may change each answer.
fn blob_server(fault: impl Fn(&Seen, usize, Reply) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |seen, before| {
        if !seen.path.contains("/blobs/") {
            return Reply::new(200, "{}");
        }
        let whole = bytes();
        let start = seen.header("range").map_or(0, |text| {
            let digits = text.trim_start_matches("bytes=").trim_end_matches('-');
            digits.parse::<usize>().unwrap()
        });
        let reply = if start == 0 {
            Reply::new(200, whole)
        } else {
            let range = format!("bytes {start}-{}/{}", whole.len() - 1, whole.len());
            Reply::new(206, &whole[start..]).with("Content-Range", range)
        };
        fault(seen, before, reply)
    })
}

fn read_blob(server: &Server, size: u64) -> Result<Vec<u8>, String> {
    let descriptor = Descriptor {
        size,
        ..Descriptor::of(LAYER, &bytes())
    };
    let registry = server.registry(Credentials::Anonymous);
    let mut reader = registry.blob("a/b", &descriptor);
    let mut found = Vec::new();
    match reader.read_to_end(&mut found) {
        Ok(_) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_blob_goes_on_where_it_broke_off() {
    for manner in [Manner::Cut(300_000), Manner::Stall(300_000), Manner::Drip] {
        let server = blob_server(move |_, before, reply| {
            if before == 0 {
                reply.manner(manner)
            } else {
                reply
            }
        });
        let whole = bytes();
        assert_eq!(
            read_blob(&server, whole.len() as u64).as_ref(),
            Ok(&whole),
            "{manner:?}"
        );
        let seen = server.seen();
        let ranges = seen.iter().filter_map(|seen| seen.header("range"));
        assert_eq!(ranges.count(), 1, "{manner:?}");
    }
}

#[test]
fn a_server_without_ranges_sends_it_again() {
    let server = blob_server(|_, before, reply| match before {
        0 => reply.manner(Manner::Cut(1000)),
        _ => Reply::new(200, bytes()),
    });
    let whole = bytes();
    assert_eq!(read_blob(&server, whole.len() as u64), Ok(whole));
}

#[test]
fn a_blob_that_never_ends_well_is_an_error() {
    let size = bytes().len() as u64;
    let always_cut = blob_server(|_, _, reply| reply.manner(Manner::Cut(1)));
    let error = read_blob(&always_cut, size).unwrap_err();
    assert!(
        error.contains("broke off after 3 of 800000 bytes"),
        "{error}"
    );
    let dripping = blob_server(|_, _, reply| reply.manner(Manner::Drip));
    let begun = Instant::now();
    let error = read_blob(&dripping, size).unwrap_err();
    assert!(error.contains("comes too slowly"), "{error}");
    assert!(begun.elapsed().as_secs() < 10);
    for found in [10, 900_000] {
        let server = blob_server(|_, _, reply| reply);
        let error = read_blob(&server, found).unwrap_err();
        assert!(
            error.ends_with(&format!("has 800000 bytes where its manifest says {found}")),
            "{error}"
        );
    }
}

#[test]
fn what_fails_for_a_moment_is_asked_for_again() {
    for status in [429, 500, 502, 503] {
        let server = blob_server(move |_, before, reply| match before {
            0 | 1 => Reply::new(status, "").with("Retry-After", "0"),
            _ => reply,
        });
        let whole = bytes();
        assert_eq!(
            read_blob(&server, whole.len() as u64),
            Ok(whole),
            "{status}"
        );
    }
    let server = blob_server(|_, _, _| {
        let words = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#;
        Reply::new(429, words).with("Retry-After", "3600")
    });
    let error = read_blob(&server, 5).unwrap_err();
    assert!(
        error.contains("too many requests: toomanyrequests: slow down"),
        "{error}"
    );
    assert_eq!(
        server
            .seen()
            .iter()
            .filter(|seen| seen.path.contains("/blobs/"))
            .count(),
        1
    );
}

#[test]
fn redirects_end_and_take_no_password_along() {
    let other = Server::start(|_, _| Reply::new(200, bytes()));
    let target = format!("http://{}/elsewhere", other.address);
    let server = Server::start(move |seen, _| match seen.path.as_str() {
        "/v2/" => Reply::new(200, ""),
        path if path.contains("/manifests/") => {
            Reply::new(302, "").with("Location", path.to_owned())
        }
        _ if seen.header("authorization").is_none() => {
            Reply::new(401, "").with("WWW-Authenticate", "Basic realm=x")
        }
        _ => Reply::new(307, "").with("Location", target.clone()),
    });
    let registry = server.registry(user());
    let mut found = Vec::new();
    let descriptor = Descriptor::of(LAYER, &bytes());
    registry
        .blob("a", &descriptor)
        .read_to_end(&mut found)
        .unwrap();
    assert_eq!(found, bytes());
    let there = other.seen();
    assert_eq!(there.len(), 1);
    assert_eq!(there[0].header("authorization"), None);
    let error = registry.manifest("a", "loop").unwrap_err().to_string();
    assert!(error.ends_with("is redirected in a loop"), "{error}");
}

#[test]
fn tokens_are_fetched_once_and_again_when_they_expire() {
    let manifest = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;
    let server = Server::start(move |seen, before| {
        let authorization = seen.header("authorization");
        if seen.path.starts_with("/token") {
            return match authorization {
                Some("Basic YW5hOmh1bnRlcjI=") => {
                    Reply::new(200, format!(r#"{{"token":"t{before}"}}"#))
                }
                _ => Reply::new(401, r#"{"details":"incorrect username or password"}"#),
            };
        }
        let is_expired = before == 3;
        match authorization {
            Some(text) if text.starts_with("Bearer t") && !is_expired => Reply::new(200, manifest),
            _ => Reply::new(401, "").with(
                "WWW-Authenticate",
                r#"Bearer realm="/token",service="s",scope="repository:a:pull""#,
            ),
        }
    });
    let registry = server.registry(user());
    for _ in 0..3 {
        let fetched = registry.manifest("a", "latest").unwrap();
        assert_eq!(fetched.media_type, media_type::OCI_MANIFEST);
        assert_eq!(fetched.digest, Digest::sha256(manifest.as_bytes()));
    }
    let seen = server.seen();
    let tokens: Vec<_> = seen
        .iter()
        .filter(|seen| seen.path.starts_with("/token"))
        .collect();
    assert_eq!(tokens.len(), 2);
    assert_eq!(
        tokens[0].path,
        "/token?service=s&scope=repository%3Aa%3Apull&account=ana"
    );
    let error = server
        .registry(Credentials::Anonymous)
        .manifest("a", "x")
        .unwrap_err();
    assert!(error.is_denied());
    assert!(
        error
            .to_string()
            .ends_with("incorrect username or password"),
        "{error}"
    );
}

#[test]
fn a_token_server_elsewhere_without_tls_is_told_nothing() {
    let realm = r#"Bearer realm="http://example.com/token""#;
    let server = Server::start(move |_, _| Reply::new(401, "").with("WWW-Authenticate", realm));
    let error = server.registry(user()).manifest("a", "x").unwrap_err();
    assert!(matches!(error, RegistryError::Realm { .. }), "{error}");
}

#[test]
fn manifests_are_bounded_and_verified() {
    let huge = usize::try_from(DOCUMENT_MAX).unwrap() + 1;
    let server = Server::start(move |seen, _| match seen.path.rsplit('/').next().unwrap() {
        "announced" => Reply {
            announced: Some(500 << 20),
            ..Reply::new(200, "{}")
        },
        "huge" => Reply::new(200, vec![b' '; huge]),
        "cut" => Reply::new(200, "{\"a\":1}").manner(Manner::Cut(3)),
        "headers" => {
            let filler = "x".repeat(900 << 10);
            Reply::new(200, "{}").with("X-Filler", filler)
        }
        "nonsense" => Reply::new(200, "<html>"),
        "old" => Reply::new(200, r#"{"schemaVersion":1,"fsLayers":[]}"#),
        "unknown" => Reply::new(
            404,
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
        ),
        "lying" => Reply::new(200, "{\"layers\":[]}").with(
            "Docker-Content-Digest",
            Digest::sha256(b"other").to_string(),
        ),
        _ => Reply::new(200, "{\"other\":true}"),
    });
    let registry = server.registry(Credentials::Anonymous);
    let digest = Digest::sha256(b"wanted").to_string();
    for (reference, words) in [
        ("announced", "is too long: more than 4194304 bytes"),
        ("huge", "is too long: more than 4194304 bytes"),
        ("cut", "broke off after 3 of 7 bytes"),
        ("headers", "Get \"http"),
        ("nonsense", "is damaged"),
        (
            "old",
            "is of the type \"schema version 1\", which is no image",
        ),
        ("unknown", ": manifest unknown"),
        (
            "lying",
            "does not match: its content has the digest sha256:",
        ),
        (
            digest.as_str(),
            "does not match: its content has the digest sha256:",
        ),
    ] {
        let error = registry.manifest("a", reference).unwrap_err().to_string();
        assert!(error.contains(words), "{reference}: {error}");
        assert!(!error.contains('\n'), "{reference}: {error}");
    }
}

#[test]
fn a_blob_that_is_too_much_at_once_goes_in_parts() {
    let server = Server::start(|seen, before| {
        let upload = "/v2/a/blobs/uploads/1?state=x";
        match seen.method.as_str() {
            "PUT" if !seen.body.is_empty() => Reply::new(413, "too large"),
            "PUT" => Reply::new(201, ""),
            // The second part breaks off once.
            "PATCH" if before == 1 => Reply::new(500, ""),
            "POST" | "PATCH" => Reply::new(202, "").with("Location", upload),
            "GET" if seen.path == upload => Reply::new(204, "")
                .with("Location", upload)
                .with("Range", "0-8388607"),
            _ => Reply::new(200, ""),
        }
    });
    let size = 20 << 20;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; size]).unwrap();
    let blob = Blob {
        file: Arc::new(file),
        size_bytes: size as u64,
        digest: Digest::sha256(b"x"),
    };
    server
        .registry(Credentials::Anonymous)
        .upload("a", &blob)
        .unwrap();
    let seen = server.seen();
    let parts = seen.iter().filter(|seen| seen.method == "PATCH");
    let ranges: Vec<_> = parts
        .map(|seen| seen.header("content-range").unwrap())
        .collect();
    let expected = [
        "0-8388607",
        "8388608-16777215",
        "8388608-16777215",
        "16777216-20971519",
    ];
    assert_eq!(ranges, expected);
    let last = seen.last().unwrap();
    assert!(
        last.path
            .starts_with("/v2/a/blobs/uploads/1?state=x&digest=sha256")
    );
}

#[test]
fn a_blob_is_sent_while_it_is_made_and_an_abandoned_one_is_cancelled() {
    let upload = "/v2/a/blobs/uploads/1";
    for is_finished in [true, false] {
        let server = Server::start(move |seen, _| match seen.method.as_str() {
            "POST" => Reply::new(202, "").with("Location", upload),
            "PATCH" => Reply::new(202, "").with("Location", format!("{upload}?state=2")),
            _ => Reply::new(201, ""),
        });
        let registry = server.registry(Credentials::Anonymous);
        let (maker, growing) = growing(1000);
        let sent = std::thread::scope(|scope| {
            let sending = scope.spawn(|| registry.upload_growing("a", growing));
            maker.add(&bytes());
            if is_finished {
                maker.finish();
            } else {
                drop(maker);
            }
            sending.join().unwrap()
        });
        let Ok(upload) = sent else {
            let methods = server.seen().into_iter().map(|seen| seen.method);
            assert_eq!(methods.collect::<Vec<_>>(), ["GET", "POST", "DELETE"]);
            assert!(!is_finished);
            continue;
        };
        let digest = Digest::sha256(&bytes());
        registry.end_upload("a", upload, &digest).unwrap();
        let seen = server.seen();
        let [.., patch, put] = &seen[..] else {
            panic!("{seen:?}");
        };
        assert!(is_finished && patch.body == bytes());
        assert_eq!(
            put.path,
            format!(
                "/v2/a/blobs/uploads/1?state=2&digest=sha256%3A{}",
                digest.hex()
            )
        );
    }
}

#[test]
fn pages_of_tags_are_followed() {
    let server = Server::start(|seen, _| match seen.path.as_str() {
        "/v2/a/tags/list" => Reply::new(200, r#"{"tags":["1"]}"#)
            .with("Link", "</v2/a/tags/list?last=1>; rel=\"next\""),
        "/v2/a/tags/list?last=1" => Reply::new(200, r#"{"tags":["2"]}"#),
        _ => Reply::new(200, r#"{"tags":null}"#),
    });
    let registry = server.registry(Credentials::Anonymous);
    assert_eq!(registry.tags("a").unwrap(), ["1", "2"]);
    assert!(registry.tags("b").unwrap().is_empty());
}

#[test]
fn referrers_are_listed_by_their_interface_or_by_a_tag() {
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let digest = Digest::sha256(b"subject");
    let (path, tag) = (
        format!("/v2/a/referrers/{digest}"),
        format!("sha256-{}", digest.hex()),
    );
    for is_new in [true, false] {
        let (path, tag) = (path.clone(), tag.clone());
        let server = Server::start(move |seen, _| match seen.path.as_str() {
            "/v2/" => Reply::new(200, ""),
            asked if is_new && asked == path => Reply::new(200, index),
            asked if !is_new && asked.ends_with(&tag) => Reply::new(200, index),
            _ => Reply::new(404, ""),
        });
        let registry = server.registry(Credentials::Anonymous);
        assert_eq!(registry.referrers("a", &digest).unwrap(), index.as_bytes());
        let none = registry.referrers("a", &Digest::sha256(b"other"));
        assert!(none.unwrap_err().is_not_found());
    }
}
