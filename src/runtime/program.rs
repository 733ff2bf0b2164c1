// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finding the program and becoming it.
//!
//! An image whose program or interpreter (`#!`) is `/proc/self/exe` would execute *our* binary
//! inside the container, where it could be opened and overwritten (CVE-2019-5736). So the file is
//! opened and looked at, with every interpreter before it, and refused if it is ours: that needs
//! no copy of the binary at each start.
//!
//! It is then executed by its path, because the kernel names a process after that (`ps`, `pgrep`).
//! Where others could put something else in its place after the look, and could write our
//! binary, it is executed by descriptor, its interpreter line resolved here and not by the kernel;
//! the process then has the name of the file, and a number on kernels before 6.14.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{
    AtFlags, FcntlArg, FdFlag, OFlag, OpenHow, PosixFadviseAdvice, ResolveFlag, fcntl, open,
    openat2, posix_fadvise,
};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::sys::statfs::{FUSE_SUPER_MAGIC, fstatfs};
use nix::unistd::{AccessFlags, faccessat};

use super::elf::{self, Foreign};
use super::failure::StageFailure;
use crate::sys::Ignored as _;
use crate::sys::process::{exec_fd, exec_path};

/// How many interpreters may stand before each other, as in the kernel.
const DEEPEST_INTERPRETER: usize = 5;
/// The length of an interpreter line that the kernel reads.
const INTERPRETER_LINE: usize = 256;
/// Of larger programs little is needed to start them.
const READ_AHEAD_BYTES: u64 = 2 * 1024 * 1024;
/// What the kernel reads ahead at most, unless root told it otherwise.
const READ_AHEAD_WINDOW_BYTES: u64 = 128 * 1024;

/// A program that was found, with the words it is called with.
#[derive(Debug)]
pub struct Program {
    arguments: Vec<CString>,
    way: Way,
    /// The machine that it or its interpreter was built for, if that is another.
    foreign: Option<Foreign>,
}

impl Program {
    /// The number of its descriptor, if it is executed by one.
    pub(super) fn number(&self) -> Option<RawFd> {
        match &self.way {
            Way::Path(_) => None,
            Way::Descriptor(file) => Some(file.as_raw_fd()),
        }
    }
}

#[derive(Debug)]
enum Way {
    Path(CString),
    Descriptor(OwnedFd),
}

/// Where others than this process may change what a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// Nowhere: no process of the container runs yet, and its root is its own.
    Nowhere,
    /// In what is mounted below the root.
    BelowMounts,
    /// Anywhere.
    Everywhere,
}

/// Our own binary, so that no container can make us execute it.
#[derive(Debug)]
pub struct OwnBinary {
    file: OwnedFd,
}

impl OwnBinary {
    /// Opens /proc/self/exe as a location; before the host's /proc is left.
    pub fn open() -> Option<Self> {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let file = open("/proc/self/exe", flags, Mode::empty()).ok()?;
        Some(Self { file })
    }

    /// The number of its descriptor.
    pub(super) fn number(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    fn is(&self, file: &OwnedFd) -> Result<bool, Errno> {
        let (own, other) = (fstat(&self.file)?, fstat(file)?);
        Ok((own.st_dev, own.st_ino) == (other.st_dev, other.st_ino))
    }

    /// Whether nobody in this user namespace can write it: its owner and group are not mapped
    /// (they show as the overflow id), and others have no right to.
    fn is_out_of_reach(&self) -> bool {
        fstat(&self.file).is_ok_and(|status| {
            let strange = status.st_uid == OVERFLOW_ID && status.st_gid == OVERFLOW_ID;
            strange && status.st_mode & Mode::S_IWOTH.bits() == 0
        })
    }
}

/// What an id looks like that is not mapped.
const OVERFLOW_ID: u32 = 65534;

/// Finds `arguments[0]` as execvp(3) does, in the PATH of `environment`, from the current
/// directory on.
///
/// # Errors
///
/// 127 when there is no such file, 126 when it cannot be executed.
pub fn find(
    arguments: &[String],
    environment: &[String],
    own: Option<&OwnBinary>,
    others: Others,
) -> Result<Program, StageFailure> {
    let Some(name) = arguments.first() else {
        return Err(missing("", "not found in $PATH"));
    };
    let (path, file) = find_file(name, environment)?;
    let words = arguments
        .iter()
        .map(|word| c_string(word))
        .collect::<Result<Vec<_>, _>>()?;
    let resolved = resolve_interpreters((&path, file), words.clone(), name, own)?;
    let safe = own.is_some_and(OwnBinary::is_out_of_reach) || stays(&path, others);
    if safe && resolved.looked == Looked::Everywhere {
        let way = Way::Path(c_string(&path)?);
        return Ok(Program {
            arguments: words,
            way,
            foreign: resolved.foreign,
        });
    }
    Ok(Program {
        arguments: resolved.arguments,
        way: Way::Descriptor(resolved.file),
        foreign: resolved.foreign,
    })
}

/// Whether what was found at `path` is there still when it is executed.
fn stays(path: &str, others: Others) -> bool {
    let mut resolve = ResolveFlag::RESOLVE_NO_MAGICLINKS;
    match others {
        Others::Everywhere => return false,
        Others::BelowMounts => resolve |= ResolveFlag::RESOLVE_NO_XDEV,
        Others::Nowhere => {}
    }
    let Ok(directory) = nix::unistd::getcwd() else {
        return false;
    };
    // From the root on: the current directory may itself be below a mount.
    let path = directory.join(path);
    let Ok(root) = open("/", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()) else {
        return false;
    };
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    openat2(
        root,
        path.strip_prefix("/").unwrap_or(&path),
        OpenHow::new().flags(flags).resolve(resolve),
    )
    .is_ok()
}

/// Becomes the program.
///
/// # Errors
///
/// Returns only when the kernel refuses: 126.
pub fn become_program(program: &Program, environment: &[String]) -> StageFailure {
    let environment: Vec<CString> = environment
        .iter()
        .filter_map(|pair| CString::new(pair.as_bytes()).ok())
        .collect();
    let error = match &program.way {
        Way::Path(path) => exec_path(path, &program.arguments, &environment),
        Way::Descriptor(file) => {
            if program.foreign.is_some_and(Foreign::needs_emulator) {
                // The kernel names it to the emulator as /dev/fd/N, if that is there then.
                fcntl(file, FcntlArg::F_SETFD(FdFlag::empty())).ignored();
            }
            exec_fd(file.as_fd(), &program.arguments, &environment)
        }
    };
    let name = program
        .arguments
        .first()
        .map(|word| word.to_string_lossy())
        .unwrap_or_default();
    let foreign = program.foreign;
    match (
        error.errno,
        foreign,
        foreign.is_some_and(Foreign::needs_emulator),
    ) {
        (Errno::ENOENT, Some(machine), true) => missing(&name, &emulator_out_of_reach(machine)),
        (Errno::ENOENT, ..) => missing(&name, "cannot be loaded, its dynamic loader is missing"),
        (Errno::ENOEXEC, Some(machine), _) => denied_because(
            &name,
            &format!("exec format error: {}", no_emulator(machine)),
        ),
        (errno, ..) => denied(&name, errno),
    }
}

fn no_emulator(machine: Foreign) -> String {
    let own = elf::own_name();
    format!(
        "it was built for {machine}, this machine is {own} and has no emulator of {machine} in \
         binfmt_misc; `apt install qemu-user-static`, or this distribution's package of it, \
         brings one"
    )
}

/// The kernel looks for an emulator in the container, but for one that it opened when that was
/// registered.
fn emulator_out_of_reach(machine: Foreign) -> String {
    let own = elf::own_name();
    format!(
        "cannot be loaded, it was built for {machine}, this machine is {own}, and its emulator of \
         {machine} is not in the container; register it with the flag F, as `apt install \
         qemu-user-static` does"
    )
}

fn find_file(name: &str, environment: &[String]) -> Result<(String, OwnedFd), StageFailure> {
    if name.is_empty() {
        return Err(missing(name, "not found in $PATH"));
    }
    if name.contains('/') {
        let file = open_program(name).map_err(|errno| failure(name, errno))?;
        return Ok((name.to_owned(), file));
    }
    let path = environment
        .iter()
        .rev()
        .find_map(|pair| pair.strip_prefix("PATH="));
    let path = path.unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let mut denied_at = None;
    for directory in path.split(':') {
        let directory = if directory.is_empty() { "." } else { directory };
        let path = format!("{directory}/{name}");
        match open_program(&path) {
            Ok(file) => return Ok((path, file)),
            Err(Errno::EACCES) => denied_at = Some(Errno::EACCES),
            Err(_) => {}
        }
    }
    match denied_at {
        Some(errno) => Err(denied(name, errno)),
        None => Err(missing(name, "not found in $PATH")),
    }
}

/// Opens a regular file that this process may execute. A location is enough for execveat(2), so
/// a program without read permission works as it does with execve(2).
fn open_program(path: &str) -> Result<OwnedFd, Errno> {
    let file = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
    let kind = fstat(&file)?.st_mode & SFlag::S_IFMT.bits();
    if kind == SFlag::S_IFDIR.bits() {
        return Err(Errno::EISDIR);
    }
    if kind != SFlag::S_IFREG.bits() {
        return Err(Errno::EACCES);
    }
    faccessat(
        &file,
        "",
        AccessFlags::X_OK,
        AtFlags::AT_EMPTY_PATH | AtFlags::AT_EACCESS,
    )?;
    Ok(file)
}

/// A program with its interpreters put before it.
struct Resolved {
    file: OwnedFd,
    arguments: Vec<CString>,
    looked: Looked,
    foreign: Option<Foreign>,
}

/// Whether every file on the way could be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looked {
    Everywhere,
    /// One may be executed and not read: what interpreter it has is not known, and the kernel
    /// runs none for a descriptor that closes at exec.
    NotEverywhere,
}

fn resolve_interpreters(
    (path, file): (&str, OwnedFd),
    words: Vec<CString>,
    name: &str,
    own: Option<&OwnBinary>,
) -> Result<Resolved, StageFailure> {
    let (mut path, mut file, mut words) = (path.to_owned(), file, words);
    for _ in 0..DEEPEST_INTERPRETER {
        refuse_own_binary(&file, name, own)?;
        let start = start_of(&file);
        let looked = match start {
            Some(_) => Looked::Everywhere,
            None => Looked::NotEverywhere,
        };
        let start = start.unwrap_or_default();
        let Some((interpreter, argument)) = parse_interpreter(&start) else {
            let arguments = words;
            return Ok(Resolved {
                file,
                arguments,
                looked,
                foreign: elf::foreign(&start),
            });
        };
        let next = open_program(&interpreter).map_err(|errno| match errno {
            Errno::ENOENT => missing(
                name,
                &format!("cannot be run, its interpreter `{interpreter}` is missing"),
            ),
            errno => denied(name, errno),
        })?;
        let mut before = vec![c_string(&interpreter)?];
        before.extend(argument.as_deref().map(c_string).transpose()?);
        // The path at which the script was found takes the place of the word that it was called
        // by; links in it are not followed, for some scripts are many programs.
        before.push(c_string(&path)?);
        before.extend(words.into_iter().skip(1));
        (path, file, words) = (interpreter, next, before);
    }
    Err(denied(name, Errno::ELOOP))
}

fn refuse_own_binary(
    file: &OwnedFd,
    name: &str,
    own: Option<&OwnBinary>,
) -> Result<(), StageFailure> {
    let is_own = own.map_or(Ok(false), |own| own.is(file));
    if is_own.map_err(|errno| failure(name, errno))? {
        let message = format!("{name}: a container may not execute the engine's own binary");
        return Err(StageFailure::with_code(126, message));
    }
    Ok(())
}

/// The first bytes of a file, if we can read it.
fn start_of(file: &OwnedFd) -> Option<Vec<u8>> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let readable = File::open(path).ok()?;
    let mut start = vec![0_u8; INTERPRETER_LINE];
    let length = readable.read_at(&mut start, 0).ok()?;
    start.truncate(length);
    if start.starts_with(b"\x7fELF") {
        read_ahead(&readable);
    }
    Some(start)
}

/// Asks a FUSE server for all of a small program, and does not wait for it. The kernel would ask for
/// some pages around each that the program touches first, and make it wait each time: a busybox
/// started with 25 such questions.
fn read_ahead(program: &File) {
    let served = fstatfs(program).is_ok_and(|found| found.filesystem_type() == FUSE_SUPER_MAGIC);
    let length = program.metadata().map_or(0, |found| found.len());
    if !served || length > READ_AHEAD_BYTES {
        return;
    }
    // One call reads no more than one window.
    for window in 0..length.div_ceil(READ_AHEAD_WINDOW_BYTES) {
        let length = READ_AHEAD_WINDOW_BYTES.cast_signed();
        let offset = window.cast_signed() * length;
        let advice = PosixFadviseAdvice::POSIX_FADV_WILLNEED;
        posix_fadvise(program, offset, length, advice).ignored();
    }
}

/// The interpreter and its one argument, if the file is a script.
fn parse_interpreter(start: &[u8]) -> Option<(String, Option<String>)> {
    let rest = start.strip_prefix(b"#!")?;
    let line = rest.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8(line.to_vec()).ok()?;
    let line = line.trim_matches([' ', '\t', '\r']);
    let (interpreter, argument) = match line.split_once([' ', '\t']) {
        Some((interpreter, argument)) => (interpreter, Some(argument.trim().to_owned())),
        None => (line, None),
    };
    (!interpreter.is_empty()).then(|| (interpreter.to_owned(), argument))
}

fn c_string(text: &str) -> Result<CString, StageFailure> {
    CString::new(text)
        .map_err(|_nul| StageFailure::setup(format!("the argument {text:?} holds a NUL byte")))
}

fn failure(name: &str, errno: Errno) -> StageFailure {
    match errno {
        Errno::ENOENT | Errno::ENOTDIR => missing(name, "not found"),
        errno => denied(name, errno),
    }
}

/// The words at the end are those that scripts look for.
fn missing(name: &str, why: &str) -> StageFailure {
    let message = format!(
        "executable file `{name}` {why}: No such file or directory: \
         OCI runtime attempted to invoke a command that was not found"
    );
    StageFailure::with_code(127, message)
}

fn denied(name: &str, errno: Errno) -> StageFailure {
    let why = match errno {
        Errno::EISDIR => "is a directory",
        Errno::ENOEXEC => "exec format error",
        errno => errno.desc(),
    };
    denied_because(name, &why.to_lowercase())
}

fn denied_because(name: &str, why: &str) -> StageFailure {
    let message = format!("cannot execute `{name}`: {why}: OCI permission denied");
    StageFailure::with_code(126, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreter_lines_are_read_as_the_kernel_does() {
        type Interpreter = Option<(&'static str, Option<&'static str>)>;
        let cases: &[(&[u8], Interpreter)] = &[
            (b"#!/bin/sh\necho", Some(("/bin/sh", None))),
            (
                b"#! /usr/bin/env  python3 -u\n",
                Some(("/usr/bin/env", Some("python3 -u"))),
            ),
            (b"#!/proc/self/exe", Some(("/proc/self/exe", None))),
            (b"#!\n", None),
            (b"\x7fELF", None),
            (b"", None),
        ];
        for (start, wanted) in cases {
            let wanted = wanted.map(|(i, a)| (i.to_owned(), a.map(str::to_owned)));
            assert_eq!(parse_interpreter(start), wanted);
        }
    }

    #[test]
    fn a_script_with_our_binary_as_its_interpreter_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("evil");
        #[expect(clippy::disallowed_methods, reason = "a file of the test's own")]
        std::fs::write(&script, "#!/proc/self/exe\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, mode).unwrap();
        let arguments = [script.to_string_lossy().into_owned()];
        let own = OwnBinary::open();
        let refused = find(&arguments, &[], own.as_ref(), Others::Nowhere).unwrap_err();
        assert_eq!(refused.code, 126);
        assert!(refused.message.contains("own binary"), "{refused}");
    }

    #[test]
    fn a_script_is_called_by_the_name_of_its_link() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("wrapper");
        #[expect(clippy::disallowed_methods, reason = "a file of the test's own")]
        std::fs::write(&script, "#!/bin/sh -e\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, mode).unwrap();
        std::os::unix::fs::symlink("wrapper", directory.path().join("psql")).unwrap();
        let environment = [format!("PATH={}", directory.path().display())];
        let words = ["psql", "--version"].map(str::to_owned);
        let found = find(&words, &environment, None, Others::Everywhere).unwrap();
        let path = directory.path().join("psql").display().to_string();
        let wanted = ["/bin/sh", "-e", &path, "--version"].map(|word| c_string(word).unwrap());
        assert_eq!(found.arguments, wanted);
    }

    #[test]
    fn a_path_is_trusted_where_nobody_else_can_change_it() {
        let cases = [
            ("/bin/sh", Others::Nowhere, true),
            ("/bin/sh", Others::Everywhere, false),
            ("/proc/self/exe", Others::Nowhere, false),
            ("/proc/self/root/bin/sh", Others::Nowhere, false),
            ("/proc/version", Others::Nowhere, true),
            ("/proc/version", Others::BelowMounts, false),
        ];
        for (path, others, wanted) in cases {
            assert_eq!(stays(path, others), wanted, "{path}, {others:?}");
        }
    }

    #[test]
    fn missing_and_denied_programs_have_their_codes() {
        let code = |word: &str| {
            let found = find(&[word.to_owned()], &[], None, Others::Everywhere);
            found.unwrap_err().code
        };
        assert_eq!(code("/no/such/thing"), 127);
        assert_eq!(code("no-such-thing-anywhere"), 127);
        assert_eq!(code("/etc"), 126);
        assert_eq!(code("/etc/passwd"), 126);
    }
}
