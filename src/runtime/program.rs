// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finding the program and becoming it.
//!
//! The file is opened, looked at and executed by descriptor. An interpreter line (`#!`) is
//! resolved here and not by the kernel: an image whose program or interpreter is
//! `/proc/self/exe` would otherwise execute *our* binary inside the container, where it could be
//! opened and overwritten (CVE-2019-5736). That needs no copy of the binary at each start.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, faccessat};

use super::launch::StageFailure;
use crate::sys::process::exec_fd;

/// How many interpreters may stand before each other, as in the kernel.
const DEEPEST_INTERPRETER: usize = 5;
/// The length of an interpreter line that the kernel reads.
const INTERPRETER_LINE: usize = 256;

/// A program that was found, with the words it is called with.
#[derive(Debug)]
pub struct Program {
    file: OwnedFd,
    arguments: Vec<CString>,
}

/// Our own binary, told by device and inode, so that no container can make us execute it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnBinary {
    device: u64,
    inode: u64,
}

impl OwnBinary {
    /// Looks at /proc/self/exe; before the host's /proc is left.
    pub fn look() -> Option<Self> {
        let metadata = std::fs::metadata("/proc/self/exe").ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// Finds `arguments[0]` as execvp(3) does, in the PATH of `environment`, from the current
/// directory on.
///
/// # Errors
///
/// 127 when there is no such file, 126 when it cannot be executed.
pub fn find(
    arguments: &[String],
    environment: &[String],
    own: Option<OwnBinary>,
) -> Result<Program, StageFailure> {
    let Some(name) = arguments.first() else {
        return Err(missing("", "not found in $PATH"));
    };
    let file = find_file(name, environment)?;
    let words = arguments
        .iter()
        .map(|word| c_string(word))
        .collect::<Result<_, _>>()?;
    resolve_interpreter(
        Program {
            file,
            arguments: words,
        },
        name,
        own,
    )
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
    let error = exec_fd(program.file.as_fd(), &program.arguments, &environment);
    let name = program
        .arguments
        .first()
        .map(|word| word.to_string_lossy())
        .unwrap_or_default();
    if error.errno == Errno::ENOENT {
        return missing(&name, "cannot be loaded, its dynamic loader is missing");
    }
    denied(&name, error.errno)
}

fn find_file(name: &str, environment: &[String]) -> Result<OwnedFd, StageFailure> {
    if name.is_empty() {
        return Err(missing(name, "not found in $PATH"));
    }
    if name.contains('/') {
        return open_program(name).map_err(|errno| failure(name, errno));
    }
    let path = environment
        .iter()
        .rev()
        .find_map(|pair| pair.strip_prefix("PATH="));
    let path = path.unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let mut denied_at = None;
    for directory in path.split(':') {
        let directory = if directory.is_empty() { "." } else { directory };
        match open_program(&format!("{directory}/{name}")) {
            Ok(file) => return Ok(file),
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
    let status = nix::sys::stat::fstat(&file)?;
    let kind = status.st_mode & nix::sys::stat::SFlag::S_IFMT.bits();
    if kind == nix::sys::stat::SFlag::S_IFDIR.bits() {
        return Err(Errno::EISDIR);
    }
    if kind != nix::sys::stat::SFlag::S_IFREG.bits() {
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

fn resolve_interpreter(
    mut program: Program,
    name: &str,
    own: Option<OwnBinary>,
) -> Result<Program, StageFailure> {
    for _ in 0..DEEPEST_INTERPRETER {
        refuse_own_binary(&program, name, own)?;
        let Some(line) = interpreter_line(&program.file) else {
            return Ok(program);
        };
        let (interpreter, argument) = line;
        let file = open_program(&interpreter).map_err(|errno| match errno {
            Errno::ENOENT => missing(
                name,
                &format!("cannot be run, its interpreter `{interpreter}` is missing"),
            ),
            errno => denied(name, errno),
        })?;
        let mut words = vec![c_string(&interpreter)?];
        words.extend(argument.as_deref().map(c_string).transpose()?);
        // The script's own path takes the place of the word it was called by.
        words.push(c_string(&script_path(&program.file, name))?);
        words.extend(program.arguments.into_iter().skip(1));
        program = Program {
            file,
            arguments: words,
        };
    }
    Err(denied(name, Errno::ELOOP))
}

fn refuse_own_binary(
    program: &Program,
    name: &str,
    own: Option<OwnBinary>,
) -> Result<(), StageFailure> {
    let status = nix::sys::stat::fstat(&program.file).map_err(|errno| failure(name, errno))?;
    let found = OwnBinary {
        device: status.st_dev,
        inode: status.st_ino,
    };
    if Some(found) == own {
        let message = format!("{name}: a container may not execute the engine's own binary");
        return Err(StageFailure::with_code(126, message));
    }
    Ok(())
}

/// The interpreter and its one argument, if the file is a script that we can read.
fn interpreter_line(file: &OwnedFd) -> Option<(String, Option<String>)> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let readable = File::open(path).ok()?;
    let mut start = [0_u8; INTERPRETER_LINE];
    let length = readable.read_at(&mut start, 0).ok()?;
    parse_interpreter(&start[..length])
}

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

/// The path that the interpreter is given to open the script.
fn script_path(file: &OwnedFd, name: &str) -> String {
    use std::os::fd::AsRawFd;
    if name.contains('/') {
        return name.to_owned();
    }
    let link = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    link.map_or_else(
        |_| name.to_owned(),
        |path| path.to_string_lossy().into_owned(),
    )
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
    let message = format!(
        "cannot execute `{name}`: {}: OCI permission denied",
        why.to_lowercase()
    );
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
        let refused = find(&arguments, &[], OwnBinary::look()).unwrap_err();
        assert_eq!(refused.code, 126);
        assert!(refused.message.contains("own binary"), "{refused}");
    }

    #[test]
    fn missing_and_denied_programs_have_their_codes() {
        let code = |word: &str| find(&[word.to_owned()], &[], None).unwrap_err().code;
        assert_eq!(code("/no/such/thing"), 127);
        assert_eq!(code("no-such-thing-anywhere"), 127);
        assert_eq!(code("/etc"), 126);
        assert_eq!(code("/etc/passwd"), 126);
    }
}
