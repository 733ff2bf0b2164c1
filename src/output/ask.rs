// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Questions to the person at the terminal: a line, or a secret that is not shown.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use super::ui::Ui;

/// What ends a secret.
const END: [u8; 2] = [b'\n', b'\r'];
/// Ctrl-C and Ctrl-D.
const ABORT: [u8; 2] = [3, 4];
/// What takes the last character back.
const ERASE: [u8; 2] = [8, 127];

/// Whether somebody can answer.
pub fn can_answer() -> bool {
    io::stdin().is_terminal()
}

/// Prints `prompt` and reads one line of standard input, without its end.
///
/// # Errors
///
/// An input that is at its end, and what read(2) says.
pub fn line(ui: Ui, prompt: &str) -> io::Result<String> {
    ui.raw(prompt.as_bytes())?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "EOF"));
    }
    Ok(line.trim_end_matches(END.map(char::from)).to_owned())
}

/// Prints `prompt` and reads a secret, which a terminal does not show.
///
/// # Errors
///
/// [`io::ErrorKind::Interrupted`] for Ctrl-C; an input that is at its end; what read(2) says.
pub fn secret(ui: Ui, prompt: &str) -> io::Result<String> {
    if !can_answer() {
        return line(ui, prompt);
    }
    ui.raw(prompt.as_bytes())?;
    let secret = {
        let _quiet = Quiet::enter()?;
        read_keys(io::stdin().lock().bytes())
    };
    ui.raw(b"\n")?;
    secret
}

fn read_keys(keys: impl Iterator<Item = io::Result<u8>>) -> io::Result<String> {
    let mut typed: Vec<u8> = Vec::new();
    for key in keys {
        match key? {
            key if END.contains(&key) => break,
            key if ABORT.contains(&key) => {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
            }
            key if ERASE.contains(&key) => {
                // The whole character, however many bytes it has.
                while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            key => typed.push(key),
        }
    }
    String::from_utf8(typed)
        .map_err(|_secret| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Keeps the terminal from showing keys, and Ctrl-C from ending us while it does.
struct Quiet {
    former: Termios,
}

impl Quiet {
    fn enter() -> io::Result<Self> {
        let former = tcgetattr(io::stdin())?;
        let mut quiet = former.clone();
        quiet
            .local_flags
            .remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &quiet)?;
        Ok(Self { former })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs no mode.
        tcsetattr(io::stdin(), SetArg::TCSANOW, &self.former).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> Result<String, io::ErrorKind> {
        read_keys(keys.iter().map(|key| Ok(*key))).map_err(|error| error.kind())
    }

    #[test]
    fn keys_become_a_secret() {
        assert_eq!(typed(b"hunter2\nmore"), Ok("hunter2".to_owned()));
        assert_eq!(typed("aé\u{7f}b\r".as_bytes()), Ok("ab".to_owned()));
        assert_eq!(typed(b"\x7f\x7fa\n"), Ok("a".to_owned()));
        assert_eq!(typed(b"ab\x03"), Err(io::ErrorKind::Interrupted));
        assert_eq!(typed(b"\xff\n"), Err(io::ErrorKind::InvalidData));
    }
}
