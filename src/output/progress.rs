// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bars on a terminal, one line for each part of a transfer: bytes, rate, time left. They are
//! drawn when something happens, at most ten times a second, and stay below all other lines.

use std::io::{self, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::units::size::human_size;

/// Between two drawings.
const PAUSE: Duration = Duration::from_millis(100);

/// Columns of a bar itself.
const BAR: u64 = 24;

/// On which stream the bars are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The bars of one command; may be moved on from several threads.
#[derive(Debug)]
pub struct Bars {
    screen: Screen,
    columns: usize,
    rows: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    parts: Vec<Part>,
    /// Lines of bars on the screen.
    drawn: usize,
    drawn_at: Option<Instant>,
}

#[derive(Debug)]
struct Part {
    label: String,
    total_bytes: u64,
    done_bytes: u64,
    began: Instant,
    is_over: bool,
}

impl Bars {
    /// No bar yet, on a terminal of this size.
    pub fn new(screen: Screen, rows: u16, columns: u16) -> Self {
        Self {
            screen,
            columns: columns.into(),
            rows: rows.into(),
            state: Mutex::new(State {
                parts: Vec::new(),
                drawn: 0,
                drawn_at: None,
            }),
        }
    }

    /// Prints a line above the bars.
    pub fn line(&self, text: &str) {
        self.change(|state, out| {
            state.erase(out);
            out.push_str(text);
            out.push('\n');
            state.drawn_at = None;
        });
    }

    /// Adds a bar.
    pub fn begin(&self, label: &str, total_bytes: u64) {
        self.change(|state, _| {
            state.parts.push(Part {
                label: label.to_owned(),
                total_bytes,
                done_bytes: 0,
                began: Instant::now(),
                is_over: false,
            });
            state.drawn_at = None;
        });
    }

    /// Moves a bar on.
    pub fn advance(&self, label: &str, bytes: u64) {
        self.change(|state, _| {
            if let Some(part) = state.part(label) {
                if part.done_bytes == 0 {
                    part.began = Instant::now();
                }
                part.done_bytes += bytes;
            }
        });
    }

    /// Ends a bar: it becomes a line that stays.
    pub fn finish(&self, label: &str) {
        let columns = self.columns;
        self.change(|state, out| {
            let Some(at) = state.parts.iter().position(|part| part.label == label) else {
                return;
            };
            state.erase(out);
            let mut part = state.parts.remove(at);
            part.is_over = true;
            out.push_str(&part.show(columns));
            out.push('\n');
            state.drawn_at = None;
        });
    }

    /// Takes the bars that are left from the screen.
    pub fn end(&self) {
        self.change(|state, out| {
            state.erase(out);
            state.parts.clear();
            state.drawn_at = None;
        });
    }

    fn change(&self, change: impl FnOnce(&mut State, &mut String)) {
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut out = String::new();
        change(&mut state, &mut out);
        if state.drawn_at.is_none_or(|then| then.elapsed() >= PAUSE) {
            state.erase(&mut out);
            state.draw(&mut out, self.rows, self.columns);
        }
        if out.is_empty() {
            return;
        }
        // A terminal that went away is no failure of a transfer.
        drop(match self.screen {
            Screen::Stdout => io::stdout().lock().write_all(out.as_bytes()),
            Screen::Stderr => io::stderr().lock().write_all(out.as_bytes()),
        });
        if self.screen == Screen::Stdout {
            drop(io::stdout().flush());
        }
    }
}

impl State {
    fn part(&mut self, label: &str) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.label == label)
    }

    fn erase(&mut self, out: &mut String) {
        for _ in 0..self.drawn {
            out.push_str("\x1b[1A\x1b[2K");
        }
        if self.drawn > 0 {
            out.push('\r');
        }
        self.drawn = 0;
    }

    fn draw(&mut self, out: &mut String, rows: usize, columns: usize) {
        // What does not fit could not be erased again.
        let most = rows.saturating_sub(2).max(1);
        for part in self.parts.iter().take(most) {
            out.push_str(&part.show(columns));
            out.push('\n');
            self.drawn += 1;
        }
        self.drawn_at = Some(Instant::now());
    }
}

impl Part {
    fn show(&self, columns: usize) -> String {
        let text = if self.is_over {
            format!("{} done   | {}", self.label, size(self.total_bytes))
        } else {
            self.show_moving()
        };
        // A line that wraps could not be erased again.
        text.chars().take(columns.saturating_sub(1)).collect()
    }

    fn show_moving(&self) -> String {
        let total = self.total_bytes.max(1);
        let done = self.done_bytes.min(total);
        let bar: String = (1..=BAR)
            .map(|at| if done * BAR >= at * total { '=' } else { '-' })
            .collect();
        let text = format!("{} [{bar}] {} / {}", self.label, size(done), size(total));
        let seconds = self.began.elapsed().as_secs();
        if done == 0 || seconds == 0 {
            return text;
        }
        let rate = (done / seconds).max(1);
        let left = (total - done) / rate;
        format!("{text} {}/s {left}s", size(rate))
    }
}

fn size(bytes: u64) -> String {
    human_size(bytes, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fits_its_line() {
        let mut part = Part {
            label: "Copying blob 0123456789ab".to_owned(),
            total_bytes: 4_000_000,
            done_bytes: 1_000_000,
            began: Instant::now(),
            is_over: false,
        };
        assert_eq!(
            part.show(80),
            "Copying blob 0123456789ab [======------------------] 1MB / 4MB"
        );
        assert_eq!(part.show(31), "Copying blob 0123456789ab [===");
        part.is_over = true;
        assert_eq!(part.show(80), "Copying blob 0123456789ab done   | 4MB");
    }
}
