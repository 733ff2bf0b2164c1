// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signals as people type them: by name with or without `SIG`, by number, with a dash in front.

/// A signal that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// Neither a name nor a number.
    #[error("invalid signal: {text}")]
    Unknown {
        /// What was typed, without a leading dash.
        text: String,
    },
    /// A number that no signal has.
    #[error("valid signals are 1 through 64")]
    OutOfRange,
}

/// The highest number of a signal on Linux.
const HIGHEST: i32 = 64;

/// The first real-time signal that the C library leaves to programs.
const REAL_TIME_MIN: i32 = 34;

/// Names by number, the usual one first.
const NAMES: [(i32, &str); 36] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (4, "ILL"),
    (5, "TRAP"),
    (6, "ABRT"),
    (6, "IOT"),
    (7, "BUS"),
    (8, "FPE"),
    (9, "KILL"),
    (10, "USR1"),
    (11, "SEGV"),
    (12, "USR2"),
    (13, "PIPE"),
    (14, "ALRM"),
    (15, "TERM"),
    (16, "STKFLT"),
    (17, "CHLD"),
    (17, "CLD"),
    (18, "CONT"),
    (19, "STOP"),
    (20, "TSTP"),
    (21, "TTIN"),
    (22, "TTOU"),
    (23, "URG"),
    (24, "XCPU"),
    (25, "XFSZ"),
    (26, "VTALRM"),
    (27, "PROF"),
    (28, "WINCH"),
    (29, "IO"),
    (29, "POLL"),
    (30, "PWR"),
    (31, "SYS"),
    (34, "RTMIN"),
    (64, "RTMAX"),
];

/// Reads a signal: `TERM`, `SIGTERM`, `sigterm`, `15`, `-TERM`, `RTMIN+3`, `RTMAX-2`.
///
/// # Errors
///
/// See [`SignalError`]; the words are those that docker and podman print.
pub fn parse(typed: &str) -> Result<i32, SignalError> {
    let text = typed.strip_prefix('-').unwrap_or(typed);
    let number = match text.parse::<i64>() {
        Ok(0) => None,
        Ok(number) => Some(number),
        Err(_) => by_name(text).map(i64::from),
    };
    let unknown = || SignalError::Unknown {
        text: text.to_owned(),
    };
    i32::try_from(number.ok_or_else(unknown)?)
        .ok()
        .filter(|number| (1..=HIGHEST).contains(number))
        .ok_or(SignalError::OutOfRange)
}

/// The full name of a signal: `SIGTERM`, `SIGRTMIN+3`; the bare number where there is none.
pub fn name(signal: i32) -> String {
    if let Some((_, name)) = NAMES.iter().find(|(number, _)| *number == signal) {
        return format!("SIG{name}");
    }
    if (REAL_TIME_MIN..=HIGHEST).contains(&signal) {
        return format!("SIGRTMIN+{}", signal - REAL_TIME_MIN);
    }
    signal.to_string()
}

fn by_name(text: &str) -> Option<i32> {
    let upper = text.to_ascii_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((number, _)) = NAMES.iter().find(|(_, name)| *name == bare) {
        return Some(*number);
    }
    let above = bare.strip_prefix("RTMIN+").map(|offset| (offset, 1));
    let below = bare.strip_prefix("RTMAX-").map(|offset| (offset, -1));
    let (offset, direction) = above.or(below)?;
    let offset: i32 = offset.parse().ok()?;
    let start = if direction == 1 {
        REAL_TIME_MIN
    } else {
        HIGHEST
    };
    let number = start.checked_add(direction * offset)?;
    (REAL_TIME_MIN..=HIGHEST)
        .contains(&number)
        .then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_as_people_type_them() {
        let cases = [
            ("TERM", 15),
            ("SIGTERM", 15),
            ("sigusr1", 10),
            ("9", 9),
            ("-9", 9),
            ("-INT", 2),
            ("IOT", 6),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("64", 64),
        ];
        for (typed, number) in cases {
            assert_eq!(parse(typed), Ok(number), "{typed}");
        }
    }

    #[test]
    fn what_is_no_signal_is_named() {
        for typed in [
            "0",
            "SIGBADSIG",
            "SIG",
            "%%",
            "",
            " ",
            "RTMIN+40",
            "-0",
            "-",
        ] {
            let text = typed.trim_start_matches('-').to_owned();
            assert_eq!(parse(typed), Err(SignalError::Unknown { text }), "{typed}");
        }
        for typed in ["65", "-65", "999", "99999999999", "--3"] {
            assert_eq!(parse(typed), Err(SignalError::OutOfRange), "{typed}");
        }
    }

    #[test]
    fn names_read_back() {
        for signal in (1..=31).chain(34..=64) {
            assert_eq!(parse(&name(signal)), Ok(signal));
        }
        assert_eq!(name(15), "SIGTERM");
        assert_eq!(name(37), "SIGRTMIN+3");
        assert_eq!(name(32), "32");
    }
}
