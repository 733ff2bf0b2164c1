// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How docker and podman read flags (the rules of Go's pflag), applied to a clap definition.
//!
//! clap knows the flags, their help and their types; what it lacks are the rules that people's
//! fingers and scripts rely on: `-it`, `-p8080:80`, `--rm=false`, the last value wins, `--` ends
//! flags, and everything after the image belongs to the container. This module reads argv by those
//! rules and hands clap a plain line: `--name=value` for each flag, then `--`, then the words.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, ArgAction, Command};

/// Whether flags may stand after the first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// `rm web -f`.
    Mixed,
    /// `run IMAGE -f`: the first word ends the flags.
    FlagsFirst,
}

impl Order {
    /// A command whose last argument takes everything that follows reads flags only before it.
    pub(crate) fn of(definition: &Command) -> Self {
        if definition
            .get_positionals()
            .any(Arg::is_trailing_var_arg_set)
        {
            Self::FlagsFirst
        } else {
            Self::Mixed
        }
    }
}

/// What stood on a command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// `--name=value` for each flag of the command, in the order typed.
    pub(crate) flags: Vec<OsString>,
    /// The same for flags of the program that stood after the command.
    pub(crate) inherited: Vec<OsString>,
    /// Everything that is no flag.
    pub(crate) words: Vec<OsString>,
    /// Whether `--help` was among the flags.
    pub(crate) help: bool,
}

/// A flag that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlagError {
    #[error("unknown flag: --{name}")]
    UnknownLong { name: String },
    #[error("unknown shorthand flag: '{letter}' in -{cluster}")]
    UnknownShort { letter: char, cluster: String },
    #[error("flag needs an argument: --{name}")]
    LongNeedsValue { name: String },
    #[error("flag needs an argument: '{letter}' in -{cluster}")]
    ShortNeedsValue { letter: char, cluster: String },
    #[error("bad flag syntax: {text}")]
    Syntax { text: String },
    #[error(
        "invalid argument \"{value}\" for \"{flag}\" flag: strconv.ParseBool: parsing \"{value}\": invalid syntax"
    )]
    NotBoolean { flag: String, value: String },
}

/// Reads `args` by pflag's rules: flags of `definition` first, then those of `inherited`, which is
/// only built when a flag is not the command's own.
pub(crate) fn read(
    definition: &Command,
    inherited: fn() -> Command,
    args: &[OsString],
    order: Order,
) -> Result<Line, FlagError> {
    let mut reader = Reader {
        own: definition,
        inherited: None,
        build_inherited: inherited,
        line: Line::default(),
    };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let bytes = arg.as_bytes();
        if bytes == b"--" {
            reader.line.words.extend(rest.cloned());
            break;
        } else if let Some(long) = bytes.strip_prefix(b"--") {
            reader.long(long, &mut rest)?;
        } else if bytes.len() > 1 && bytes[0] == b'-' {
            reader.cluster(&bytes[1..], &mut rest)?;
        } else {
            reader.line.words.push(arg.clone());
            if order == Order::FlagsFirst {
                reader.line.words.extend(rest.cloned());
                break;
            }
        }
        if reader.line.help {
            break;
        }
    }
    Ok(reader.line)
}

/// The flag of `definition` that is called `name`, with aliases.
pub(crate) fn find_long<'a>(definition: &'a Command, name: &str) -> Option<&'a Arg> {
    definition.get_arguments().find(|arg| {
        arg.get_long() == Some(name)
            || arg
                .get_all_aliases()
                .is_some_and(|aliases| aliases.contains(&name))
    })
}

/// The flag of `definition` that is called by `letter`.
pub(crate) fn find_short(definition: &Command, letter: char) -> Option<&Arg> {
    definition.get_arguments().find(|arg| {
        arg.get_short() == Some(letter)
            || arg
                .get_all_short_aliases()
                .is_some_and(|aliases| aliases.contains(&letter))
    })
}

/// Whether the flag stands alone when no `=value` is attached.
fn value_is_optional(arg: &Arg) -> bool {
    match arg.get_action() {
        ArgAction::Set | ArgAction::Append => arg
            .get_num_args()
            .is_some_and(|range| range.min_values() == 0),
        _ => true,
    }
}

/// Whose flag it is.
#[derive(Clone, Copy)]
enum Owner {
    Command,
    Program,
}

struct Reader<'a> {
    own: &'a Command,
    inherited: Option<Command>,
    build_inherited: fn() -> Command,
    line: Line,
}

type Rest<'a> = std::slice::Iter<'a, OsString>;

impl Reader<'_> {
    /// `--name`, `--name=value`, `--name value`.
    fn long(&mut self, text: &[u8], rest: &mut Rest<'_>) -> Result<(), FlagError> {
        if text.is_empty() || text[0] == b'-' || text[0] == b'=' {
            return Err(FlagError::Syntax {
                text: format!("--{}", String::from_utf8_lossy(text)),
            });
        }
        let equals = text.iter().position(|byte| *byte == b'=');
        let name = String::from_utf8_lossy(&text[..equals.unwrap_or(text.len())]).into_owned();
        let attached = equals.map(|at| OsStr::from_bytes(&text[at + 1..]));
        let Some((owner, arg)) = self.lookup(|definition| find_long(definition, &name)) else {
            if name == "help" {
                self.line.help = true;
                return Ok(());
            }
            return Err(FlagError::UnknownLong { name });
        };
        let value = match attached {
            Some(value) => Some(value.to_owned()),
            None if value_is_optional(&arg) => None,
            None => {
                let Some(next) = rest.next() else {
                    return Err(FlagError::LongNeedsValue { name });
                };
                Some(next.clone())
            }
        };
        self.push(owner, &arg, value)
    }

    /// `-itd`, `-p8080:80`, `-e=A=1`, `-e A=1`.
    fn cluster(&mut self, text: &[u8], rest: &mut Rest<'_>) -> Result<(), FlagError> {
        let mut tail = text;
        while let Some((&first, after)) = tail.split_first() {
            let letter = char::from(first);
            let cluster = || String::from_utf8_lossy(tail).into_owned();
            let Some((owner, arg)) = self.lookup(|definition| find_short(definition, letter))
            else {
                if letter == 'h' {
                    self.line.help = true;
                    return Ok(());
                }
                return Err(FlagError::UnknownShort {
                    letter,
                    cluster: cluster(),
                });
            };
            if after.len() > 1 && after[0] == b'=' {
                let value = OsString::from_vec(after[1..].to_vec());
                return self.push(owner, &arg, Some(value));
            }
            if value_is_optional(&arg) {
                self.push(owner, &arg, None)?;
                tail = after;
                continue;
            }
            let value = if after.is_empty() {
                let Some(next) = rest.next() else {
                    return Err(FlagError::ShortNeedsValue {
                        letter,
                        cluster: cluster(),
                    });
                };
                next.clone()
            } else {
                OsString::from_vec(after.to_vec())
            };
            return self.push(owner, &arg, Some(value));
        }
        Ok(())
    }

    fn lookup(&mut self, find: impl Fn(&Command) -> Option<&Arg>) -> Option<(Owner, Arg)> {
        if let Some(arg) = find(self.own) {
            return Some((Owner::Command, arg.clone()));
        }
        let inherited = self.inherited.get_or_insert_with(self.build_inherited);
        find(inherited).map(|arg| (Owner::Program, arg.clone()))
    }

    fn push(&mut self, owner: Owner, arg: &Arg, value: Option<OsString>) -> Result<(), FlagError> {
        let name = arg
            .get_long()
            .expect("every flag has a long name")
            .to_owned();
        let flags = match owner {
            Owner::Command => &mut self.line.flags,
            Owner::Program => &mut self.line.inherited,
        };
        let mut flag = OsString::from(format!("--{name}"));
        match arg.get_action() {
            ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count => {
                flags.retain(|earlier| *earlier != flag);
                if switched_on(&describe(arg), value)? {
                    flags.push(flag);
                }
            }
            _ => {
                if let Some(value) = value {
                    flag.push("=");
                    flag.push(value);
                }
                flags.push(flag);
            }
        }
        Ok(())
    }
}

/// The flag as pflag names it in errors: `-m, --memory`.
pub(crate) fn describe(arg: &Arg) -> String {
    let long = arg.get_long().unwrap_or_default();
    match arg.get_short() {
        Some(short) => format!("-{short}, --{long}"),
        None => format!("--{long}"),
    }
}

fn switched_on(flag: &str, value: Option<OsString>) -> Result<bool, FlagError> {
    let Some(value) = value else {
        return Ok(true);
    };
    let value = value.to_string_lossy();
    parse_bool(&value).ok_or_else(|| FlagError::NotBoolean {
        flag: flag.to_owned(),
        value: value.into_owned(),
    })
}

/// A truth value as Go's `strconv.ParseBool` reads it.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The line that clap reads: every flag as `--name=value`, then `--`, then the words.
pub(crate) fn plain_line(flags: Vec<OsString>, words: Vec<OsString>) -> Vec<OsString> {
    let mut argv = vec![OsString::from("coracle")];
    argv.extend(flags);
    if !words.is_empty() {
        argv.push("--".into());
        argv.extend(words);
    }
    argv
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(long: &'static str) -> Arg {
        Arg::new(long).long(long)
    }

    fn run_like() -> Command {
        Command::new("run")
            .disable_help_flag(true)
            .arg(flag("rm").action(ArgAction::SetTrue))
            .arg(flag("interactive").short('i').action(ArgAction::SetTrue))
            .arg(flag("tty").short('t').action(ArgAction::SetTrue))
            .arg(flag("publish").short('p').action(ArgAction::Append))
            .arg(flag("hostname").short('h').action(ArgAction::Set))
            .arg(flag("network").alias("net").action(ArgAction::Append))
            .arg(flag("sig-proxy").action(ArgAction::Set).num_args(0..=1))
            .arg(Arg::new("image").required(true))
            .arg(Arg::new("command").num_args(0..).trailing_var_arg(true))
    }

    fn program() -> Command {
        Command::new("coracle").arg(flag("log-level").action(ArgAction::Set))
    }

    fn lines(line: &str) -> Result<(String, String), String> {
        let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let definition = run_like();
        let join = |parts: &[OsString]| {
            let parts: Vec<_> = parts.iter().map(|part| part.to_string_lossy()).collect();
            parts.join(" ")
        };
        read(&definition, program, &args, Order::of(&definition))
            .map(|line| (join(&line.flags), join(&line.words)))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn flags_are_read_as_pflag_reads_them() {
        let cases = [
            ("-it img", "--interactive --tty", "img"),
            ("-p8080:80 img", "--publish=8080:80", "img"),
            ("-itp 80 img", "--interactive --tty --publish=80", "img"),
            ("-p=80 img", "--publish=80", "img"),
            ("--rm=false img", "", "img"),
            ("--rm --rm=0 img", "", "img"),
            ("--rm=0 --rm img", "--rm", "img"),
            ("-t=false -i=1 img", "--interactive", "img"),
            ("--net none img", "--network=none", "img"),
            ("-h web img", "--hostname=web", "img"),
            ("--sig-proxy img", "--sig-proxy", "img"),
            ("--sig-proxy=false img", "--sig-proxy=false", "img"),
            ("--publish= img", "--publish=", "img"),
            ("--rm img --rm -p 1", "--rm", "img --rm -p 1"),
            ("--rm -- img -- x", "--rm", "img -- x"),
            ("-p -1 img", "--publish=-1", "img"),
            ("--log-level debug --rm img", "--rm", "img"),
            ("-", "", "-"),
        ];
        for (line, flags, words) in cases {
            assert_eq!(
                lines(line),
                Ok((flags.to_owned(), words.to_owned())),
                "{line}"
            );
        }
    }

    #[test]
    fn unreadable_flags_are_named() {
        let cases = [
            ("--bogus img", "unknown flag: --bogus"),
            ("-tx img", "unknown shorthand flag: 'x' in -x"),
            ("--publish", "flag needs an argument: --publish"),
            ("-tp", "flag needs an argument: 'p' in -p"),
            ("---rm", "bad flag syntax: ---rm"),
            (
                "--rm=maybe img",
                "invalid argument \"maybe\" for \"--rm\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
            ),
        ];
        for (line, message) in cases {
            assert_eq!(lines(line), Err(message.to_owned()), "{line}");
        }
    }

    #[test]
    fn a_mixed_line_takes_flags_after_words() {
        let definition = Command::new("rm")
            .arg(flag("force").short('f').action(ArgAction::SetTrue))
            .arg(Arg::new("names").num_args(0..).action(ArgAction::Append));
        let args = ["web", "-f", "db"].map(OsString::from);
        let line = read(&definition, program, &args, Order::of(&definition)).unwrap();
        assert_eq!(line.flags, ["--force"]);
        assert_eq!(line.words, ["web", "db"]);
    }

    #[test]
    fn help_and_inherited_flags_are_told_apart() {
        let args = ["--log-level=debug", "--help", "img"].map(OsString::from);
        let line = read(&run_like(), program, &args, Order::FlagsFirst).unwrap();
        assert!(line.help);
        assert_eq!(line.inherited, ["--log-level=debug"]);
    }
}
