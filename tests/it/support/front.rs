// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Servers between the tool and a registry: one that hands out tokens and wants to see them, a
//! proxy, and one that fails. In this process, on a port of their own, until the test program ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use reqwest::Url;

use super::registry::{LOGIN, Registry};

/// A request without its body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
}

impl Head {
    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let mut head = Self {
            method: words.next()?,
            target: words.next()?,
            headers: Vec::new(),
        };
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                return Some(head);
            };
            head.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    fn url(&self) -> Url {
        let base = Url::parse("http://front/").unwrap();
        base.join(&self.target).unwrap()
    }
}

/// What is done with a request.
enum Verdict {
    /// It goes on to the registry.
    Pass,
    /// The same, and what comes back is spoilt.
    Spoil(Fault),
    /// It is answered here.
    Answer(String),
}

/// What goes wrong with a blob.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The connection ends in the middle of it.
    Cut,
    /// One byte is another.
    Flip,
    /// It is longer than its manifest says.
    Long,
    /// A status and a header instead of it.
    Status(&'static str, &'static str),
}

/// A server in front of a registry.
#[derive(Debug)]
pub(crate) struct Front {
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Front {
    /// A registry that wants a token for each request, of a server that gives anybody tokens to
    /// pull and only [`super::registry::USER`] tokens to push.
    pub(crate) fn with_tokens(registry: &Registry) -> Self {
        Self::start(&registry.address, want_token)
    }

    /// A proxy that leads to `registry` whatever host is asked for.
    pub(crate) fn proxy(registry: &Registry) -> Self {
        Self::start(&registry.address, |_, _| Verdict::Pass)
    }

    /// A registry whose first `times` blobs go wrong.
    pub(crate) fn faulty(registry: &Registry, fault: Fault, times: usize) -> Self {
        let left = AtomicUsize::new(times);
        Self::start(&registry.address, move |head, _| {
            let is_blob = head.method == "GET" && head.target.contains("/blobs/");
            let less = |left: usize| left.checked_sub(1).filter(|_| is_blob);
            match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
                Ok(_) => Verdict::Spoil(fault),
                Err(_) => Verdict::Pass,
            }
        })
    }

    /// A registry that refuses one method.
    pub(crate) fn without(registry: &Registry, method: &'static str) -> Self {
        Self::start(&registry.address, move |head, _| {
            if head.method == method {
                return answer("500 Internal Server Error", "", "");
            }
            Verdict::Pass
        })
    }

    /// What was asked for: methods and targets.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn start(
        registry: &str,
        judge: impl Fn(&Head, &str) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, own, registry) = (Arc::clone(&seen), address.clone(), registry.to_owned());
        let judge = Arc::new(judge);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (log, own, registry) = (Arc::clone(&log), own.clone(), registry.clone());
                let judge = Arc::clone(&judge);
                thread::spawn(move || {
                    let mut reader = BufReader::new(connection);
                    let Some(head) = Head::read(&mut reader) else {
                        return;
                    };
                    let line = format!("{} {}", head.method, head.target);
                    log.lock().unwrap().push(line);
                    // A client that goes away is none of our business.
                    drop(match judge(&head, &own) {
                        Verdict::Answer(answer) => reader.get_mut().write_all(answer.as_bytes()),
                        Verdict::Pass if head.method == "CONNECT" => tunnel(reader, &registry),
                        Verdict::Pass => pass(&head, reader, &registry, None),
                        Verdict::Spoil(fault) => pass(&head, reader, &registry, Some(fault)),
                    });
                });
            }
        });
        Self { address, seen }
    }
}

/// Sends one request on, and what comes back.
fn pass(
    head: &Head,
    mut reader: BufReader<TcpStream>,
    registry: &str,
    fault: Option<Fault>,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(registry)?;
    let url = head.url();
    let query = url.query().map(|query| format!("?{query}"));
    let target = format!("{}{}", url.path(), query.unwrap_or_default());
    write!(server, "{} {target} HTTP/1.1\r\n", head.method)?;
    for (name, value) in &head.headers {
        if !["connection", "authorization"].contains(&name.to_lowercase().as_str()) {
            write!(server, "{name}: {value}\r\n")?;
        }
    }
    write!(server, "Connection: close\r\n\r\n")?;
    let length = head.header("content-length").map(str::parse);
    let length: u64 = length.map_or(0, Result::unwrap);
    std::io::copy(&mut Read::by_ref(&mut reader).take(length), &mut server)?;
    let Some(fault) = fault else {
        return std::io::copy(&mut server, reader.get_mut()).map(drop);
    };
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    reader.get_mut().write_all(&spoilt(answer, fault))
}

fn spoilt(mut answer: Vec<u8>, fault: Fault) -> Vec<u8> {
    let body = answer.windows(4).position(|at| at == b"\r\n\r\n").unwrap() + 4;
    let middle = body + (answer.len() - body) / 2;
    match fault {
        Fault::Cut => answer.truncate(middle),
        Fault::Flip => answer[middle] ^= 1,
        Fault::Long => {
            let head = String::from_utf8(answer[..body].to_vec()).unwrap();
            let length = answer.len() - body;
            let head = head.replace(
                &format!("Content-Length: {length}"),
                &format!("Content-Length: {}", length + 1),
            );
            answer = [head.as_bytes(), &answer[body..], b"x"].concat();
        }
        Fault::Status(status, header) => {
            return format!("HTTP/1.1 {status}\r\n{header}Content-Length: 0\r\n\r\n").into_bytes();
        }
    }
    answer
}

/// Bytes go through both ways.
fn tunnel(mut reader: BufReader<TcpStream>, registry: &str) -> std::io::Result<()> {
    let server = TcpStream::connect(registry)?;
    let mut back = reader.get_ref().try_clone()?;
    back.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let mut from_server = server.try_clone()?;
    let returning = thread::spawn(move || {
        drop(std::io::copy(&mut from_server, &mut back));
        drop(back.shutdown(Shutdown::Both));
    });
    drop(std::io::copy(&mut reader, &mut &server));
    drop(server.shutdown(Shutdown::Both));
    drop(returning.join());
    Ok(())
}

fn answer(status: &str, headers: &str, body: &str) -> Verdict {
    let length = body.len();
    Verdict::Answer(format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    ))
}

/// A token is the list of what it allows.
fn want_token(head: &Head, own: &str) -> Verdict {
    let url = head.url();
    if url.path() == "/token" {
        return give_token(head, &url);
    }
    let name = url.path().trim_start_matches("/v2/");
    let ends = ["/manifests/", "/blobs/", "/tags/", "/referrers/"];
    let name = ends.iter().find_map(|end| name.split_once(end));
    let name = name.map_or("", |(name, _)| name);
    let action = match head.method.as_str() {
        "GET" | "HEAD" => "pull",
        _ => "push",
    };
    let token = head.header("authorization").unwrap_or_default();
    let allows = |scope: &str| {
        let (_, rest) = scope.split_once(':').unwrap_or_default();
        let (allowed, actions) = rest.rsplit_once(':').unwrap_or_default();
        allowed == name && actions.split(',').any(|one| one == action)
    };
    let token = token.strip_prefix("Bearer T ");
    if token.is_some_and(|scopes| name.is_empty() || scopes.split(' ').any(allows)) {
        return Verdict::Pass;
    }
    let scope = match (name, action) {
        ("", _) => String::new(),
        (name, "pull") => format!(",scope=\"repository:{name}:pull\""),
        (name, _) => format!(",scope=\"repository:{name}:pull,push\""),
    };
    let challenge = format!("Bearer realm=\"http://{own}/token\",service=\"test\"{scope}");
    let words = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
    let header = format!("WWW-Authenticate: {challenge}\r\n");
    answer("401 Unauthorized", &header, words)
}

fn give_token(head: &Head, url: &Url) -> Verdict {
    let may_push = match head.header("authorization") {
        None => false,
        Some(login) if login == format!("Basic {LOGIN}") => true,
        Some(_) => {
            let words = r#"{"details":"incorrect username or password"}"#;
            return answer("401 Unauthorized", "", words);
        }
    };
    let scopes = url.query_pairs().filter(|(key, _)| key == "scope");
    let granted = scopes.map(|(_, scope)| {
        if may_push {
            scope.into_owned()
        } else {
            scope.replace("pull,push", "pull")
        }
    });
    let granted: Vec<String> = granted.collect();
    let body = format!(r#"{{"token":"T {}","expires_in":300}}"#, granted.join(" "));
    answer("200 OK", "Content-Type: application/json\r\n", &body)
}
