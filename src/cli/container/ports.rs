// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ports in words: published ones as `0.0.0.0:8080->80/tcp`, exposed ones as `8000-8010/udp`.

use crate::engine::Dialect;
use crate::output::value::{Struct, Value};
use crate::state::connection::PublishedPort;

/// The numbers that one `PORT[-PORT][/PROTOCOL]` means, each with its protocol; none for what
/// cannot be read.
pub(super) fn each(port: &str) -> Vec<(u16, String)> {
    let (numbers, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else {
        return Vec::new();
    };
    let named = |number| (number, protocol.to_ascii_lowercase());
    (first..=last).map(named).collect()
}

/// All exposed ports, those that follow each other as a range, sorted by protocol and number.
fn exposed_text(ports: &[String]) -> String {
    let mut all: Vec<(String, u16)> = ports
        .iter()
        .flat_map(|port| each(port))
        .map(|(number, protocol)| (protocol, number))
        .collect();
    all.sort();
    all.dedup();
    let mut ranges: Vec<(String, u16, u16)> = Vec::new();
    for (protocol, number) in all {
        match ranges.last_mut() {
            Some((same, _, last)) if *same == protocol && last.checked_add(1) == Some(number) => {
                *last = number;
            }
            _ => ranges.push((protocol, number, number)),
        }
    }
    let shown = ranges.into_iter().map(|(protocol, first, last)| {
        if first == last {
            format!("{first}/{protocol}")
        } else {
            format!("{first}-{last}/{protocol}")
        }
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Published ports, those that follow each other as a range, and the exposed ones that are not
/// among them.
pub(super) fn ports_text(
    published: &[PublishedPort],
    exposed: &[String],
    dialect: Dialect,
) -> String {
    let mut texts: Vec<String> = Vec::new();
    for address in ["0.0.0.0", "[::]"] {
        let both = dialect == Dialect::Docker;
        for run in runs(published) {
            let host = match run.first.host_ip {
                Some(_) if address == "[::]" => continue,
                Some(ip) if ip.is_ipv6() => format!("[{ip}]"),
                Some(ip) => ip.to_string(),
                None if address == "[::]" && !both => continue,
                None => address.to_owned(),
            };
            let host_ports = span(run.first.host_port, run.count);
            let ports = span(run.first.container_port, run.count);
            texts.push(format!(
                "{host}:{host_ports}->{ports}/{}",
                run.first.protocol
            ));
        }
    }
    let is_published = |number: u16, protocol: &str| {
        let mut published = published.iter();
        published.any(|one| one.container_port == number && one.protocol.to_string() == protocol)
    };
    let others = exposed.iter().flat_map(|port| each(port));
    let others = others.filter(|(number, protocol)| !is_published(*number, protocol));
    let others: Vec<String> = others
        .map(|(number, protocol)| format!("{number}/{protocol}"))
        .collect();
    if !others.is_empty() {
        texts.push(exposed_text(&others));
    }
    texts.join(", ")
}

/// What podman's JSON shows of published ports.
pub(super) fn ports_document(published: &[PublishedPort]) -> Vec<Value> {
    let document = |run: Run| {
        let ip = run.first.host_ip.map(|ip| ip.to_string());
        Struct::new("types.PortMapping")
            .with("HostIP,host_ip", ip.unwrap_or_default())
            .with(
                "ContainerPort,container_port",
                u32::from(run.first.container_port),
            )
            .with("HostPort,host_port", u32::from(run.first.host_port))
            .with("Range,range", u32::from(run.count))
            .with("Protocol,protocol", run.first.protocol.to_string())
            .into()
    };
    runs(published).into_iter().map(document).collect()
}

/// Ports that follow each other, on both sides.
struct Run {
    first: PublishedPort,
    count: u16,
}

fn runs(published: &[PublishedPort]) -> Vec<Run> {
    let mut sorted = published.to_vec();
    sorted.sort_by_key(|one| {
        (
            one.protocol.to_string(),
            one.host_ip,
            one.container_port,
            one.host_port,
        )
    });
    let mut runs: Vec<Run> = Vec::new();
    for port in sorted {
        let follows = |run: &&mut Run| {
            let first = run.first;
            (first.protocol, first.host_ip) == (port.protocol, port.host_ip)
                && first.container_port.checked_add(run.count) == Some(port.container_port)
                && first.host_port.checked_add(run.count) == Some(port.host_port)
        };
        match runs.last_mut().filter(|run| follows(run)) {
            Some(run) => run.count += 1,
            None => runs.push(Run {
                first: port,
                count: 1,
            }),
        }
    }
    runs
}

fn span(first: u16, count: u16) -> String {
    if count == 1 {
        first.to_string()
    } else {
        format!("{first}-{}", first + (count - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::network::ports::published_ports;

    #[test]
    fn published_ports_stand_before_exposed_ones() {
        let table: &[(&[&str], &[&str], &str, &str)] = &[
            (
                &["8080:80"],
                &["80", "443"],
                "0.0.0.0:8080->80/tcp, 443/tcp",
                "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 443/tcp",
            ),
            (
                &["5000-5002:6000-6002", "127.0.0.1:53:53/udp"],
                &[],
                "0.0.0.0:5000-5002->6000-6002/tcp, 127.0.0.1:53->53/udp",
                "0.0.0.0:5000-5002->6000-6002/tcp, 127.0.0.1:53->53/udp, [::]:5000-5002->6000-6002/tcp",
            ),
            (&["[::1]:1:1"], &[], "[::1]:1->1/tcp", "[::1]:1->1/tcp"),
        ];
        for (publish, exposed, podman, docker) in table {
            let strings =
                |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
            let published = published_ports(&strings(publish), false, &[]).unwrap();
            let text = |dialect| ports_text(&published, &strings(exposed), dialect);
            assert_eq!(text(Dialect::Podman), *podman);
            assert_eq!(text(Dialect::Docker), *docker);
        }
    }

    #[test]
    fn ports_that_follow_each_other_are_a_range() {
        let table: [(&[&str], &str); 5] = [
            (&[], ""),
            (&["80"], "80/tcp"),
            (&["443/tcp", "80/tcp"], "80/tcp, 443/tcp"),
            (&["82/tcp", "80-81/tcp", "53/udp"], "80-82/tcp, 53/udp"),
            (&["x", "65535/TCP", "65534"], "65534-65535/tcp"),
        ];
        for (ports, expected) in table {
            let ports: Vec<String> = ports.iter().map(|port| (*port).to_owned()).collect();
            assert_eq!(exposed_text(&ports), expected, "{ports:?}");
        }
    }
}
