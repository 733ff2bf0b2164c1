// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Columns of text as Go's tabwriter lays them out, since scripts cut tables at fixed places.
//!
//! A cell ends with a tab; what stands behind the last tab of a line belongs to no column. A
//! column is as wide as the widest cell of the lines that follow each other with such a cell.

/// Widths of a table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    /// No column is narrower.
    pub least_width: usize,
    /// Spaces behind the widest cell.
    pub padding: usize,
}

impl Columns {
    /// Podman's tables.
    pub const PODMAN: Self = Self {
        least_width: 12,
        padding: 2,
    };
    /// Docker's tables.
    pub const DOCKER: Self = Self {
        least_width: 10,
        padding: 3,
    };
}

/// A table under construction.
#[derive(Debug)]
pub struct Table {
    columns: Columns,
    text: String,
}

impl Table {
    /// An empty table.
    pub fn new(columns: Columns) -> Self {
        Self {
            columns,
            text: String::new(),
        }
    }

    /// Adds a row. Control characters in a cell are shown as escapes, not sent to the terminal.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        for (index, cell) in cells.into_iter().enumerate() {
            if index > 0 {
                self.text.push('\t');
            }
            push_visible(cell.as_ref(), &mut self.text);
        }
        self.text.push('\n');
    }

    /// The finished table.
    pub fn finish(self) -> String {
        align(&self.text, self.columns)
    }
}

/// Appends `text` with control characters as escapes.
pub fn push_visible(text: &str, out: &mut String) {
    if !text.contains(char::is_control) {
        out.push_str(text);
        return;
    }
    for character in text.chars() {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
}

/// Replaces the tabs of `text` by as many spaces as make its cells stand in columns.
pub fn align(text: &str, columns: Columns) -> String {
    let lines: Vec<Vec<&str>> = text
        .split('\n')
        .map(|line| line.split('\t').collect())
        .collect();
    let widths = widths(&lines, columns);
    let mut out = String::with_capacity(text.len() * 2);
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let padded = line.len() - 1;
        for (cell, width) in line[..padded].iter().zip(&widths[index]) {
            out.push_str(cell);
            let missing = width.saturating_sub(length(cell));
            out.extend(std::iter::repeat_n(' ', missing));
        }
        out.push_str(line[padded]);
    }
    out
}

/// The width of each cell that ends with a tab, line by line.
fn widths(lines: &[Vec<&str>], columns: Columns) -> Vec<Vec<usize>> {
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|line| vec![0; line.len() - 1]).collect();
    let most = widths.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..most {
        let mut start = 0;
        while start < lines.len() {
            let run = lines[start..]
                .iter()
                .take_while(|line| line.len() > column + 1);
            let end = start + run.clone().count();
            let widest = run.map(|line| length(line[column]) + columns.padding).max();
            let width = widest.unwrap_or(0).max(columns.least_width);
            for line in &mut widths[start..end] {
                line[column] = width;
            }
            start = end + 1;
        }
    }
    widths
}

fn length(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_columns() {
        let mut table = Table::new(Columns::PODMAN);
        table.row(["CONTAINER ID", "IMAGE", "NAMES"]);
        table.row(["0123456789ab", "docker.io/library/busybox:latest", "web"]);
        table.row(["0123456789ac", "", "a\tb\u{1b}"]);
        assert_eq!(
            table.finish(),
            "CONTAINER ID  IMAGE                             NAMES\n\
             0123456789ab  docker.io/library/busybox:latest  web\n\
             0123456789ac                                    a\\tb\\u{1b}\n"
        );
    }

    #[test]
    fn a_column_ends_with_the_lines_that_have_it() {
        let columns = Columns {
            least_width: 0,
            padding: 1,
        };
        assert_eq!(
            align("a\tb\tc\naaaa\n\naa\tb\naaa\t\tx", columns),
            "a b c\naaaa\n\naa  b\naaa  x"
        );
        assert_eq!(align("", columns), "");
        assert_eq!(align("\t\n", columns), " \n");
    }

    #[test]
    fn docker_columns() {
        assert_eq!(align("IMAGE\tX\n", Columns::DOCKER), "IMAGE     X\n");
    }
}
