// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Moments as Go shows them: `time.Time` with its text forms and the methods that templates use.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A moment and the zone in which it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// The moment; `None` is Go's zero time, the first of January of the year 1.
    pub moment: Option<Timestamp>,
    /// The zone in which it is shown.
    pub zone: Zone,
}

/// Where a moment is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Zone {
    /// Universal time.
    Utc,
    /// The zone of the machine or of `TZ`.
    #[default]
    Local,
}

/// The calendar form of a moment.
struct Civil {
    at: jiff::civil::DateTime,
    offset_seconds: i32,
    abbreviation: String,
}

impl Time {
    /// A moment shown in the local zone.
    pub fn local(moment: Timestamp) -> Self {
        Self {
            moment: Some(moment),
            zone: Zone::Local,
        }
    }

    /// A moment shown in universal time.
    pub fn utc(moment: Timestamp) -> Self {
        Self {
            moment: Some(moment),
            zone: Zone::Utc,
        }
    }

    /// Go's zero time, which documents show for what never happened.
    pub fn zero() -> Self {
        Self {
            moment: None,
            zone: Zone::Utc,
        }
    }

    /// Seconds since 1970.
    pub fn unix_seconds(&self) -> i64 {
        self.moment.map_or(ZERO_TIME_UNIX, Timestamp::as_second)
    }

    /// Nanoseconds since 1970, wrapped as Go's `UnixNano` does.
    pub fn unix_nanoseconds(&self) -> i64 {
        match self.moment {
            Some(moment) => i64::try_from(moment.as_nanosecond()).unwrap_or(i64::MAX),
            None => ZERO_TIME_UNIX.wrapping_mul(1_000_000_000),
        }
    }

    /// RFC 3339 with as many digits of the second as are not zero: Go's JSON form.
    pub fn rfc3339(&self) -> String {
        self.format("2006-01-02T15:04:05.999999999Z07:00")
    }

    /// Go's `String` form: `2006-01-02 15:04:05.999999999 -0700 MST`.
    pub fn go_string(&self) -> String {
        self.format("2006-01-02 15:04:05.999999999 -0700 MST")
    }

    /// The moment in a layout of Go's reference time.
    pub fn format(&self, layout: &str) -> String {
        let civil = self.civil();
        let mut out = String::with_capacity(layout.len() + 8);
        let mut rest = layout;
        while !rest.is_empty() {
            let Some((element, length)) = element_at(rest) else {
                let width = rest.chars().next().map_or(1, char::len_utf8);
                out.push_str(&rest[..width]);
                rest = &rest[width..];
                continue;
            };
            element.write(&civil, &mut out);
            rest = &rest[length..];
        }
        out
    }

    /// The method `name` of `time.Time`, `None` if there is no such method here.
    pub(crate) fn method(&self, name: &str, layout: Option<&str>) -> Option<super::Value> {
        use super::Value;
        let at = || self.civil().at;
        Some(match (name, layout) {
            ("Format", Some(layout)) => Value::Str(self.format(layout)),
            ("Unix", None) => Value::Int(self.unix_seconds()),
            ("UnixMilli", None) => Value::Int(self.unix_nanoseconds() / 1_000_000),
            ("UnixNano", None) => Value::Int(self.unix_nanoseconds()),
            ("String", None) => Value::Str(self.go_string()),
            ("IsZero", None) => Value::Bool(self.moment.is_none()),
            ("UTC", None) => Value::Time(Self {
                zone: Zone::Utc,
                ..*self
            }),
            ("Local", None) => Value::Time(Self {
                zone: Zone::Local,
                ..*self
            }),
            ("Year", None) => Value::Int(at().year().into()),
            ("Day", None) => Value::Int(at().day().into()),
            ("YearDay", None) => Value::Int(at().day_of_year().into()),
            ("Hour", None) => Value::Int(at().hour().into()),
            ("Minute", None) => Value::Int(at().minute().into()),
            ("Second", None) => Value::Int(at().second().into()),
            ("Nanosecond", None) => Value::Int(at().subsec_nanosecond().into()),
            ("Month", None) => Value::Str(self.format("January")),
            ("Weekday", None) => Value::Str(self.format("Monday")),
            _ => return None,
        })
    }

    fn civil(&self) -> Civil {
        let Some(moment) = self.moment else {
            return Civil {
                at: jiff::civil::DateTime::constant(1, 1, 1, 0, 0, 0, 0),
                offset_seconds: 0,
                abbreviation: "UTC".to_owned(),
            };
        };
        let zone = match self.zone {
            Zone::Utc => TimeZone::UTC,
            Zone::Local => TimeZone::system(),
        };
        let info = zone.to_offset_info(moment);
        Civil {
            at: info.offset().to_datetime(moment),
            offset_seconds: info.offset().seconds(),
            abbreviation: info.abbreviation().to_owned(),
        }
    }
}

/// Seconds between Go's zero time and 1970.
const ZERO_TIME_UNIX: i64 = -62_135_596_800;

/// One element of a layout of Go's reference time.
#[derive(Clone, Copy)]
enum Element {
    LongMonth,
    ShortMonth,
    PaddedMonth,
    Month,
    LongWeekday,
    ShortWeekday,
    PaddedDay,
    SpacedDay,
    Day,
    DayOfYear,
    Hour24,
    PaddedHour12,
    Hour12,
    PaddedMinute,
    Minute,
    PaddedSecond,
    Second,
    LongYear,
    Year,
    UpperHalf,
    LowerHalf,
    ZoneName,
    Offset { colon: bool, zulu: bool },
    Fraction { digits: usize, trim: bool },
}

/// Elements by their text, longer ones before their prefixes.
const ELEMENTS: &[(&str, Element)] = &[
    ("January", Element::LongMonth),
    ("Jan", Element::ShortMonth),
    ("Monday", Element::LongWeekday),
    ("Mon", Element::ShortWeekday),
    ("MST", Element::ZoneName),
    ("2006", Element::LongYear),
    ("002", Element::DayOfYear),
    ("01", Element::PaddedMonth),
    ("02", Element::PaddedDay),
    ("_2", Element::SpacedDay),
    ("03", Element::PaddedHour12),
    ("04", Element::PaddedMinute),
    ("05", Element::PaddedSecond),
    ("06", Element::Year),
    ("15", Element::Hour24),
    ("1", Element::Month),
    ("2", Element::Day),
    ("3", Element::Hour12),
    ("4", Element::Minute),
    ("5", Element::Second),
    ("PM", Element::UpperHalf),
    ("pm", Element::LowerHalf),
    (
        "-07:00",
        Element::Offset {
            colon: true,
            zulu: false,
        },
    ),
    (
        "-0700",
        Element::Offset {
            colon: false,
            zulu: false,
        },
    ),
    (
        "Z07:00",
        Element::Offset {
            colon: true,
            zulu: true,
        },
    ),
    (
        "Z0700",
        Element::Offset {
            colon: false,
            zulu: true,
        },
    ),
];

/// The element that `layout` begins with, and its length.
fn element_at(layout: &str) -> Option<(Element, usize)> {
    if let Some(fraction) = fraction_at(layout) {
        return Some(fraction);
    }
    let found = ELEMENTS.iter().find(|(text, _)| layout.starts_with(text));
    found.map(|(text, element)| (*element, text.len()))
}

/// `.000` or `,999`: digits of the second, when no further digit follows.
fn fraction_at(layout: &str) -> Option<(Element, usize)> {
    let bytes = layout.as_bytes();
    if !matches!(bytes.first(), Some(b'.' | b',')) {
        return None;
    }
    let kind = *bytes.get(1).filter(|byte| matches!(byte, b'0' | b'9'))?;
    let digits = bytes[1..].iter().take_while(|byte| **byte == kind).count();
    if bytes.get(1 + digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let element = Element::Fraction {
        digits: digits.min(9),
        trim: kind == b'9',
    };
    Some((element, 1 + digits))
}

impl Element {
    fn write(self, civil: &Civil, out: &mut String) {
        let at = civil.at;
        let hour12 = (at.hour() + 11) % 12 + 1;
        let written = match self {
            Self::LongMonth => write!(out, "{}", MONTHS[month_index(at)]),
            Self::ShortMonth => write!(out, "{}", &MONTHS[month_index(at)][..3]),
            Self::PaddedMonth => write!(out, "{:02}", at.month()),
            Self::Month => write!(out, "{}", at.month()),
            Self::LongWeekday => write!(out, "{}", WEEKDAYS[weekday_index(at)]),
            Self::ShortWeekday => write!(out, "{}", &WEEKDAYS[weekday_index(at)][..3]),
            Self::PaddedDay => write!(out, "{:02}", at.day()),
            Self::SpacedDay => write!(out, "{:2}", at.day()),
            Self::Day => write!(out, "{}", at.day()),
            Self::DayOfYear => write!(out, "{:03}", at.day_of_year()),
            Self::Hour24 => write!(out, "{:02}", at.hour()),
            Self::PaddedHour12 => write!(out, "{hour12:02}"),
            Self::Hour12 => write!(out, "{hour12}"),
            Self::PaddedMinute => write!(out, "{:02}", at.minute()),
            Self::Minute => write!(out, "{}", at.minute()),
            Self::PaddedSecond => write!(out, "{:02}", at.second()),
            Self::Second => write!(out, "{}", at.second()),
            Self::LongYear => write!(out, "{:04}", at.year()),
            Self::Year => write!(out, "{:02}", at.year().rem_euclid(100)),
            Self::UpperHalf => write!(out, "{}", if at.hour() < 12 { "AM" } else { "PM" }),
            Self::LowerHalf => write!(out, "{}", if at.hour() < 12 { "am" } else { "pm" }),
            Self::ZoneName => write!(out, "{}", civil.abbreviation),
            Self::Offset { colon, zulu } => {
                write_offset(civil.offset_seconds, colon, zulu, out);
                Ok(())
            }
            Self::Fraction { digits, trim } => {
                write_fraction(at.subsec_nanosecond(), digits, trim, out);
                Ok(())
            }
        };
        written.expect("writing to a string cannot fail");
    }
}

fn write_offset(seconds: i32, colon: bool, zulu: bool, out: &mut String) {
    if zulu && seconds == 0 {
        out.push('Z');
        return;
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    let separator = if colon { ":" } else { "" };
    write!(
        out,
        "{sign}{:02}{separator}{:02}",
        minutes / 60,
        minutes % 60
    )
    .expect("writing to a string cannot fail");
}

fn write_fraction(nanoseconds: i32, digits: usize, trim: bool, out: &mut String) {
    let all = format!("{nanoseconds:09}");
    let mut shown = &all[..digits];
    if trim {
        shown = shown.trim_end_matches('0');
        if shown.is_empty() {
            return;
        }
    }
    out.push('.');
    out.push_str(shown);
}

fn month_index(at: jiff::civil::DateTime) -> usize {
    usize::try_from(at.month() - 1).unwrap_or(0)
}

fn weekday_index(at: jiff::civil::DateTime) -> usize {
    usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or(0)
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Time {
        Time::utc(text.parse().unwrap())
    }

    #[test]
    fn go_forms() {
        let table = [
            (
                "2024-05-06T07:08:09.120Z",
                "2024-05-06 07:08:09.12 +0000 UTC",
                "2024-05-06T07:08:09.12Z",
            ),
            (
                "2024-12-31T23:59:59Z",
                "2024-12-31 23:59:59 +0000 UTC",
                "2024-12-31T23:59:59Z",
            ),
        ];
        for (input, go_string, rfc3339) in table {
            assert_eq!(moment(input).go_string(), go_string);
            assert_eq!(moment(input).rfc3339(), rfc3339);
        }
        assert_eq!(Time::zero().go_string(), "0001-01-01 00:00:00 +0000 UTC");
        assert_eq!(Time::zero().rfc3339(), "0001-01-01T00:00:00Z");
        assert_eq!(Time::zero().unix_seconds(), ZERO_TIME_UNIX);
    }

    #[test]
    fn layouts() {
        let time = moment("2024-05-06T17:08:09.000120Z");
        let table = [
            ("Mon Jan _2 15:04:05 2006", "Mon May  6 17:08:09 2024"),
            ("Monday, 02-Jan-06 03:04PM", "Monday, 06-May-24 05:08PM"),
            ("2006-002 3:4:5.000 pm", "2024-127 5:8:9.000 pm"),
            ("05.000000 x", "09.000120 x"),
            ("Z07:00 -07:00 Z0700", "Z +00:00 Z"),
            ("äöü", "äöü"),
        ];
        for (layout, expected) in table {
            assert_eq!(time.format(layout), expected, "{layout}");
        }
    }
}
