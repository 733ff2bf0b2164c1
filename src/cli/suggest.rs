// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What somebody may have meant who typed a word that names no command.

/// The names of `known` that are a slip away from `typed`, or begin with it.
pub(crate) fn similar<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    // Two changes make any short word of any other.
    let slips = if typed.len() < 4 { 1 } else { 2 };
    let is_similar = |name: &&str| name.starts_with(typed) || distance(typed, name) <= slips;
    let mut names: Vec<&str> = known.filter(is_similar).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// How many characters must be added, dropped, replaced or swapped with the next to come from one
/// word to the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        let known = [
            "exec", "images", "inspect", "ps", "rm", "rmi", "run", "start",
        ];
        let table = [
            ("rn", "rm run"),
            ("rum", "rm run"),
            ("sp", "ps"),
            ("exce", "exec"),
            ("imgaes", "images"),
            ("insp", "inspect"),
            ("strat", "start"),
            ("frobnicate", ""),
            ("", "exec images inspect ps rm rmi run start"),
        ];
        for (typed, expected) in table {
            assert_eq!(
                similar(typed, known.into_iter()).join(" "),
                expected,
                "{typed}"
            );
        }
    }

    #[test]
    fn distances() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
            ("run", "run", 0),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }
}
