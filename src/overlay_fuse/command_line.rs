// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An overlay mounted by hand: `coracle overlay-fuse -o OPTIONS MOUNTPOINT`, with the options of
//! fuse-overlayfs, so that what drives that program can drive this one.
//!
//! The caller must have the right to mount: root, or root of a user namespace with a mount
//! namespace of its own.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{getegid, geteuid};
use thiserror::Error;

use super::overlay::Overlay;
use super::{
    Acl, DataSource, DirectoryLinks, Durability, IdMapping, Options, OverlayError, Ownership,
    Squash, WhiteoutForms, Xattrs, mounts, session,
};
use crate::sys::fuse::{self, FuseDeviceError};
use crate::sys::process::{CloneRequest, Forked, clone3};
use crate::sys::{Ignored as _, SysError};

const HELP: &str = "\
Usage: coracle overlay-fuse [-f] -o OPTION[,OPTION...] MOUNTPOINT

  -o lowerdir=DIR[:DIR...]          layers to read, the topmost first
  -o upperdir=DIR,workdir=DIR       layer to write, and a directory beside it
  -o uidmapping=DISK:SHOWN:COUNT[:...]
  -o gidmapping=DISK:SHOWN:COUNT[:...]
  -o squash_to_root                 show all files as root's
  -o squash_to_uid=N,squash_to_gid=N
  -o squash_unmapped                show files of unmapped owners as root's
  -o xattr_permissions=2            keep owners and modes in attributes
  -o noacl                          without access control lists
  -o noxattrs=1                     without extended attributes
  -o volatile                       without fsync
  -o datapath=PATH[:PATH...]        say to an overlay of the kernel's above where in its data-only
                                    layers each of these layers is; read-only
  -o fsname=NAME                    name shown in the table of mounts
  -f                                stay in the foreground
";

/// Why the command did not run.
#[derive(Debug, Error)]
enum CommandError {
    #[error("no mount point given")]
    NoMountpoint,
    #[error("option {option} needs a value")]
    MissingValue { option: String },
    #[error("unknown option {option}")]
    UnknownOption { option: String },
    #[error("{value:?} is no value for option {option}")]
    Value { option: String, value: String },
    #[error("option {option} is not supported")]
    Unsupported { option: String },
    #[error("{}", with_cure(*error))]
    Device { error: FuseDeviceError },
    #[error("mount on {}", mountpoint.display())]
    Mount { mountpoint: PathBuf, source: Errno },
    #[error("go to the background")]
    Background { source: SysError },
    #[error("the server in the background ended")]
    Ended,
    #[error(transparent)]
    Overlay(#[from] OverlayError),
}

fn with_cure(error: FuseDeviceError) -> String {
    match error.cure() {
        Some(command) => format!("{error}; as root: {command}"),
        None => error.to_string(),
    }
}

/// What the command line asks for.
#[derive(Debug, Default)]
struct Command {
    options: Options,
    mountpoint: Option<PathBuf>,
    source: OsString,
    flags: MountFlags,
    runs: Runs,
    wants_help: bool,
}

/// Where the server runs.
#[derive(Debug, Default, PartialEq, Eq)]
enum Runs {
    #[default]
    Background,
    Foreground,
}

/// Flags of mount(2).
#[derive(Debug, PartialEq, Eq)]
struct MountFlags(MsFlags);

impl Default for MountFlags {
    fn default() -> Self {
        Self(MsFlags::empty())
    }
}

/// Runs the command; `argv` has the program's name and that of the role first.
pub fn main(argv: &[OsString]) -> ExitCode {
    match parse(argv.get(2..).unwrap_or_default()).and_then(execute) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error);
            ExitCode::FAILURE
        }
    }
}

fn tell(error: &dyn std::error::Error) {
    let mut message = format!("Error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    message.push('\n');
    // There is no one else to tell.
    drop(std::io::stderr().write_all(message.as_bytes()));
}

fn execute(command: Command) -> Result<(), CommandError> {
    if command.wants_help {
        drop(std::io::stdout().write_all(HELP.as_bytes()));
        return Ok(());
    }
    let mountpoint = command.mountpoint.ok_or(CommandError::NoMountpoint)?;
    let overlay = Overlay::open(&command.options)?;
    let device = fuse::open_device().map_err(|error| CommandError::Device { error })?;
    mount_on(&device, &mountpoint, &command.source, &command.flags).map_err(|source| {
        CommandError::Mount {
            mountpoint: mountpoint.clone(),
            source,
        }
    })?;
    let served = match command.runs {
        Runs::Foreground => session::run(device, (overlay, None), || Ok(())).map_err(Into::into),
        Runs::Background => in_background(device, overlay),
    };
    served.inspect_err(|_error| {
        // A mount without a server answers every access with an error.
        umount2(&mountpoint, MntFlags::MNT_DETACH).ok();
    })
}

fn mount_on(
    device: &OwnedFd,
    mountpoint: &PathBuf,
    source: &OsStr,
    flags: &MountFlags,
) -> nix::Result<()> {
    let data = format!(
        "fd={},rootmode=40000,user_id={},group_id={},default_permissions,allow_other",
        device.as_raw_fd(),
        geteuid(),
        getegid(),
    );
    mount(
        Some(source),
        mountpoint,
        Some("fuse.coracle"),
        flags.0,
        Some(data.as_str()),
    )
}

/// Serves in a child, and returns when the file system answers.
fn in_background(device: OwnedFd, overlay: Overlay) -> Result<(), CommandError> {
    let pipe = std::io::pipe().map_err(|source| OverlayError::Session { source })?;
    let (mut ready, mut tell_ready) = pipe;
    let forked = clone3(&CloneRequest::default());
    match forked.map_err(|source| CommandError::Background { source })? {
        Forked::Parent { .. } => {
            drop(tell_ready);
            // The server has the only other copy: without it the pipe ends.
            drop((device, overlay));
            match ready.read_exact(&mut [0]) {
                Ok(()) => Ok(()),
                Err(_nothing) => Err(CommandError::Ended),
            }
        }
        Forked::Child => {
            drop(ready);
            let on_ready = move || {
                session::detach().map_err(|source| OverlayError::Detach { source })?;
                // Where it may not, it still serves, and ends when it is unmounted.
                mounts::leave().ignored();
                tell_ready
                    .write_all(&[0])
                    .map_err(|source| OverlayError::Session { source })
            };
            session::run(device, (overlay, None), on_ready).map_err(Into::into)
        }
    }
}

fn parse(arguments: &[OsString]) -> Result<Command, CommandError> {
    let mut command = Command {
        source: OsString::from("coracle"),
        options: Options {
            whiteouts: WhiteoutForms::All,
            ..Options::default()
        },
        ..Command::default()
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let bytes = argument.as_bytes();
        match bytes {
            b"-f" | b"-d" => command.runs = Runs::Foreground,
            b"-s" => {}
            b"-h" | b"--help" => command.wants_help = true,
            b"-o" => {
                let list = rest.next().ok_or_else(|| CommandError::MissingValue {
                    option: "-o".to_owned(),
                })?;
                take_list(&mut command, list.as_bytes())?;
            }
            _ if bytes.starts_with(b"-o") => take_list(&mut command, &bytes[2..])?,
            _ if bytes.starts_with(b"-") => {
                return Err(CommandError::UnknownOption {
                    option: argument.to_string_lossy().into_owned(),
                });
            }
            // mount(8) gives the source first.
            _ => command.mountpoint = Some(PathBuf::from(argument)),
        }
    }
    Ok(command)
}

fn take_list(command: &mut Command, list: &[u8]) -> Result<(), CommandError> {
    for option in split_escaped(list, b',') {
        if !option.is_empty() {
            take_option(command, &option)?;
        }
    }
    Ok(())
}

fn take_option(command: &mut Command, option: &[u8]) -> Result<(), CommandError> {
    let shown = || String::from_utf8_lossy(option).into_owned();
    let equals = option.iter().position(|byte| *byte == b'=');
    let (name, value) = match equals {
        Some(position) => (&option[..position], Some(&option[position + 1..])),
        None => (option, None),
    };
    let name = String::from_utf8_lossy(name).into_owned();
    if let Some(flag) = mount_flag(&name) {
        match flag {
            Flag::Set(flag) => command.flags.0.insert(flag),
            Flag::Clear(flag) => command.flags.0.remove(flag),
        }
        return Ok(());
    }
    let given = || {
        value.ok_or_else(|| CommandError::MissingValue {
            option: name.clone(),
        })
    };
    let path = || given().map(path_of);
    let options = &mut command.options;
    match name.as_str() {
        "lowerdir" => options.lower = paths(given()?),
        "upperdir" => options.upper = Some(path()?),
        "workdir" => options.work = Some(path()?),
        "uidmapping" => options.uid_map = mappings(&name, given()?)?,
        "gidmapping" => options.gid_map = mappings(&name, given()?)?,
        "squash_to_root" => options.squash = Squash::All { uid: 0, gid: 0 },
        "squash_to_uid" => {
            let (_, gid) = squashed(options.squash);
            let uid = number(&name, given()?)?;
            options.squash = Squash::All { uid, gid };
        }
        "squash_to_gid" => {
            let (uid, _) = squashed(options.squash);
            let gid = number(&name, given()?)?;
            options.squash = Squash::All { uid, gid };
        }
        "squash_unmapped" => options.squash = Squash::UnmappedToRoot,
        "xattr_permissions" if value != Some(b"0") => options.ownership = Ownership::Metadata,
        "noacl" => options.acl = Acl::Off,
        "static_nlink" => options.directory_links = DirectoryLinks::One,
        "noxattrs" if value != Some(b"0") => options.xattrs = Xattrs::Off,
        "volatile" => options.durability = Durability::Volatile,
        "fsync" if value == Some(b"0") => options.durability = Durability::Volatile,
        "datapath" => {
            let paths = paths(given()?).into_iter().map(Some).collect();
            options.data = DataSource::Elsewhere { paths };
            command.flags.0.insert(MsFlags::MS_RDONLY);
        }
        "fsname" => OsStr::from_bytes(given()?).clone_into(&mut command.source),
        "redirect_dir" if value == Some(b"off") => {}
        "redirect_dir" | "plugins" => return Err(CommandError::Unsupported { option: shown() }),
        _ if is_without_effect(&name) => {}
        _ => return Err(CommandError::UnknownOption { option: shown() }),
    }
    Ok(())
}

/// Options of fuse-overlayfs and libfuse that ask for what is so anyway, or for tuning of what
/// is done in another way here.
fn is_without_effect(name: &str) -> bool {
    const NAMES: [&str; 19] = [
        "noxattrs",
        "allow_other",
        "allow_root",
        "default_permissions",
        "threaded",
        "clone_fd",
        "timeout",
        "fast_ino",
        "xino",
        "fsync",
        "xattr_permissions",
        "subtype",
        "max_write",
        "max_idle_threads",
        "max_threads",
        "splice_read",
        "splice_write",
        "splice_move",
        "userxattr",
    ];
    NAMES.contains(&name)
}

enum Flag {
    Set(MsFlags),
    Clear(MsFlags),
}

fn mount_flag(name: &str) -> Option<Flag> {
    let flag = match name {
        "ro" => Flag::Set(MsFlags::MS_RDONLY),
        "rw" => Flag::Clear(MsFlags::MS_RDONLY),
        "nosuid" => Flag::Set(MsFlags::MS_NOSUID),
        "suid" => Flag::Clear(MsFlags::MS_NOSUID),
        "nodev" => Flag::Set(MsFlags::MS_NODEV),
        "dev" => Flag::Clear(MsFlags::MS_NODEV),
        "noexec" => Flag::Set(MsFlags::MS_NOEXEC),
        "exec" => Flag::Clear(MsFlags::MS_NOEXEC),
        "sync" => Flag::Set(MsFlags::MS_SYNCHRONOUS),
        "async" => Flag::Clear(MsFlags::MS_SYNCHRONOUS),
        "noatime" => Flag::Set(MsFlags::MS_NOATIME),
        "atime" => Flag::Clear(MsFlags::MS_NOATIME),
        "nodiratime" => Flag::Set(MsFlags::MS_NODIRATIME),
        "diratime" => Flag::Clear(MsFlags::MS_NODIRATIME),
        "relatime" => Flag::Set(MsFlags::MS_RELATIME),
        "norelatime" => Flag::Clear(MsFlags::MS_RELATIME),
        "strictatime" => Flag::Set(MsFlags::MS_STRICTATIME),
        _ => return None,
    };
    Some(flag)
}

fn squashed(squash: Squash) -> (u32, u32) {
    match squash {
        Squash::All { uid, gid } => (uid, gid),
        Squash::None | Squash::UnmappedToRoot => (0, 0),
    }
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

fn paths(list: &[u8]) -> Vec<PathBuf> {
    split_escaped(list, b':')
        .iter()
        .filter(|path| !path.is_empty())
        .map(|path| path_of(path))
        .collect()
}

fn number(option: &str, value: &[u8]) -> Result<u32, CommandError> {
    let text = String::from_utf8_lossy(value);
    text.parse().map_err(|_no_number| CommandError::Value {
        option: option.to_owned(),
        value: text.into_owned(),
    })
}

fn mappings(option: &str, list: &[u8]) -> Result<Vec<IdMapping>, CommandError> {
    let numbers: Vec<u32> = list
        .split(|byte| *byte == b':')
        .map(|part| number(option, part))
        .collect::<Result<_, _>>()?;
    let (triples, rest) = numbers.as_chunks::<3>();
    if !rest.is_empty() {
        return Err(CommandError::Value {
            option: option.to_owned(),
            value: String::from_utf8_lossy(list).into_owned(),
        });
    }
    let mapping = |[host, container, len]: &[u32; 3]| IdMapping {
        host: *host,
        container: *container,
        len: *len,
    };
    Ok(triples.iter().map(mapping).collect())
}

/// Splits at `separator`. A backslash takes the meaning from the separator or the backslash that
/// follows it; before anything else it stays, since another level may want it.
fn split_escaped(list: &[u8], separator: u8) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = list.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let part = parts.last_mut().expect("there is always a part");
        if byte == b'\\'
            && let Some(escaped) = bytes.next_if(|next| *next == separator || *next == b'\\')
        {
            // The inner list, that of paths, must still see an escaped backslash as such.
            if escaped == b'\\' && separator == b',' {
                part.push(b'\\');
            }
            part.push(escaped);
        } else if byte == separator {
            parts.push(Vec::new());
        } else {
            part.push(byte);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, CommandError> {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        parse(&arguments)
    }

    #[test]
    fn a_full_command_line() {
        let line = "-f -o lowerdir=/a:/b,upperdir=/u,workdir=/w,fsname=x,ro,nodev,volatile \
                    -o uidmapping=0:10:1:1:100:9,noacl,static_nlink,xattr_permissions=2,timeout=3 src /m";
        let command = parsed(line).unwrap();
        assert_eq!(
            command.options.lower,
            [PathBuf::from("/a"), PathBuf::from("/b")]
        );
        assert_eq!(command.options.upper, Some(PathBuf::from("/u")));
        assert_eq!(command.options.work, Some(PathBuf::from("/w")));
        assert_eq!(command.mountpoint, Some(PathBuf::from("/m")));
        assert_eq!(command.source, "x");
        assert_eq!(command.runs, Runs::Foreground);
        assert_eq!(command.options.ownership, Ownership::Metadata);
        assert_eq!(command.options.durability, Durability::Volatile);
        assert_eq!(command.options.acl, Acl::Off);
        assert_eq!(command.options.directory_links, DirectoryLinks::One);
        assert_eq!(command.options.whiteouts, WhiteoutForms::All);
        assert_eq!(command.flags.0, MsFlags::MS_RDONLY | MsFlags::MS_NODEV);
        let second = IdMapping {
            host: 1,
            container: 100,
            len: 9,
        };
        assert_eq!(command.options.uid_map[1], second);
    }

    #[test]
    fn squashing() {
        let table = [
            ("squash_to_root", Squash::All { uid: 0, gid: 0 }),
            (
                "squash_to_uid=3,squash_to_gid=4",
                Squash::All { uid: 3, gid: 4 },
            ),
            ("squash_unmapped", Squash::UnmappedToRoot),
            ("rw", Squash::None),
        ];
        for (list, expected) in table {
            let command = parsed(&format!("-olowerdir=/a,{list} /m")).unwrap();
            assert_eq!(command.options.squash, expected, "{list}");
        }
    }

    #[test]
    fn escapes() {
        let table = [
            (r"a:b", vec!["a", "b"]),
            (r"a\:b", vec!["a:b"]),
            (r"a\\:b", vec![r"a\", "b"]),
            (r"a\nb", vec![r"a\nb"]),
        ];
        for (list, expected) in table {
            let parts = split_escaped(list.as_bytes(), b':');
            let texts: Vec<_> = parts
                .iter()
                .map(|part| String::from_utf8_lossy(part))
                .collect();
            assert_eq!(texts, expected, "{list}");
        }
        let command = parsed(r"-o lowerdir=/a\,b:/c\:d:/e\\f /m").unwrap();
        let expected = ["/a,b", "/c:d", r"/e\f"].map(PathBuf::from);
        assert_eq!(command.options.lower, expected);
    }

    #[test]
    fn mistakes() {
        let table = [
            ("-o", "option -o needs a value"),
            ("-x /m", "unknown option -x"),
            ("-o nonsense /m", "unknown option nonsense"),
            ("-o upperdir /m", "option upperdir needs a value"),
            (
                "-o uidmapping=1:2 /m",
                "\"1:2\" is no value for option uidmapping",
            ),
            (
                "-o gidmapping=a:1:1 /m",
                "\"a\" is no value for option gidmapping",
            ),
            (
                "-o redirect_dir=on /m",
                "option redirect_dir=on is not supported",
            ),
        ];
        for (line, expected) in table {
            assert_eq!(parsed(line).unwrap_err().to_string(), expected, "{line}");
        }
    }
}
