// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Exposed ports in words: `80/tcp, 8000-8010/udp`.

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
pub(super) fn exposed_text(ports: &[String]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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
