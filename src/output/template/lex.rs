// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the text of a template to its tokens, with the rules of Go's text/template.
//!
//! An error is the last token: the parser reports it when it gets there, so that an earlier
//! mistake of grammar is told first.

/// One token with its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Byte offset in the template.
    pub(super) at: usize,
    /// The token's text (the message of an error).
    pub(super) text: String,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Error,
    End,
    Text,
    LeftDelimiter,
    RightDelimiter,
    Space,
    Bool,
    Char,
    CharConstant,
    Assign,
    Declare,
    Dot,
    Field,
    Identifier,
    LeftParen,
    RightParen,
    Number,
    Pipe,
    Str,
    RawString,
    Variable,
    Keyword(Keyword),
}

/// The reserved words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

const KEYWORDS: &[(&str, Keyword)] = &[
    ("block", Keyword::Block),
    ("break", Keyword::Break),
    ("continue", Keyword::Continue),
    ("define", Keyword::Define),
    ("else", Keyword::Else),
    ("end", Keyword::End),
    ("if", Keyword::If),
    ("nil", Keyword::Nil),
    ("range", Keyword::Range),
    ("template", Keyword::Template),
    ("with", Keyword::With),
];

impl Token {
    /// The token as messages show it.
    pub(super) fn shown(&self) -> String {
        match self.kind {
            Kind::End => "EOF".to_owned(),
            Kind::Error => self.text.clone(),
            Kind::Keyword(_) => format!("<{}>", self.text),
            _ if self.text.chars().count() > 10 => {
                let start: String = self.text.chars().take(10).collect();
                format!("{start:?}...")
            }
            _ => format!("{:?}", self.text),
        }
    }
}

/// Cuts `text` into tokens; the last one is [`Kind::End`] or [`Kind::Error`].
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        at: 0,
        tokens: Vec::new(),
        parens: 0,
    };
    if let Err(message) = lexer.run() {
        lexer.push_text(Kind::Error, lexer.at, message);
    } else {
        lexer.push_text(Kind::End, text.len(), String::new());
    }
    lexer.tokens
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    tokens: Vec<Token>,
    parens: usize,
}

type Step = Result<(), String>;

impl<'t> Lexer<'t> {
    fn run(&mut self) -> Step {
        while self.at < self.text.len() {
            self.plain_text();
            if self.at < self.text.len() {
                self.action()?;
            }
        }
        Ok(())
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn push(&mut self, kind: Kind, start: usize) {
        let text = self.text[start..self.at].to_owned();
        self.push_text(kind, start, text);
    }

    fn push_text(&mut self, kind: Kind, at: usize, text: String) {
        self.tokens.push(Token { kind, at, text });
    }

    fn skip_while(&mut self, accept: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest
            .find(|character| !accept(character))
            .unwrap_or(rest.len());
    }

    /// The text up to the next `{{`, trimmed when that is a `{{- `.
    fn plain_text(&mut self) {
        let start = self.at;
        let length = self.rest().find("{{").unwrap_or(self.rest().len());
        self.at += length;
        let mut shown = &self.text[start..self.at];
        if trims_left(&self.rest()[2.min(self.rest().len())..]) {
            shown = shown.trim_end_matches(is_space);
        }
        if !shown.is_empty() {
            self.push_text(Kind::Text, start, shown.to_owned());
        }
    }

    /// One `{{…}}`.
    fn action(&mut self) -> Step {
        let start = self.at;
        self.at += 2;
        let marker = if trims_left(self.rest()) { 2 } else { 0 };
        if self.rest()[marker..].starts_with("/*") {
            self.at += marker;
            return self.comment();
        }
        self.push(Kind::LeftDelimiter, start);
        self.at += marker;
        self.parens = 0;
        loop {
            if let Some((length, trim)) = self.right_delimiter() {
                if self.parens > 0 {
                    return Err("unclosed left paren".to_owned());
                }
                let start = self.at;
                self.at += length;
                self.push_text(Kind::RightDelimiter, start, "}}".to_owned());
                self.trim_following(trim);
                return Ok(());
            }
            self.inside()?;
        }
    }

    /// The length of `}}` or ` -}}` here, and whether it trims the text behind it.
    fn right_delimiter(&self) -> Option<(usize, bool)> {
        let rest = self.rest();
        if rest.starts_with("}}") {
            return Some((2, false));
        }
        let trimmed = rest.strip_prefix(is_space)?.starts_with("-}}");
        trimmed.then_some((4, true))
    }

    fn trim_following(&mut self, trim: bool) {
        if trim {
            self.skip_while(is_space);
        }
    }

    fn comment(&mut self) -> Step {
        let Some(length) = self.rest().find("*/") else {
            return Err("unclosed comment".to_owned());
        };
        self.at += length + 2;
        let Some((length, trim)) = self.right_delimiter() else {
            return Err("comment ends before closing delimiter".to_owned());
        };
        self.at += length;
        self.trim_following(trim);
        Ok(())
    }

    /// One token inside an action.
    fn inside(&mut self) -> Step {
        let start = self.at;
        let Some(character) = self.peek() else {
            return Err("unclosed action".to_owned());
        };
        match character {
            _ if is_space(character) => self.space(),
            '"' => self.quoted('"', Kind::Str, "unterminated quoted string")?,
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant")?,
            '`' => self.raw_string()?,
            '$' => self.name_after_sign(Kind::Variable)?,
            '.' if !self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => self.field()?,
            '.' | '+' | '-' | '0'..='9' => self.number()?,
            ':' => self.declare()?,
            _ if is_alphanumeric(character) => self.word()?,
            _ => self.symbol(character)?,
        }
        debug_assert!(self.at > start, "the lexer stands still at {start}");
        Ok(())
    }

    fn space(&mut self) {
        let start = self.at;
        while self.right_delimiter().is_none_or(|(length, _)| length != 4) {
            let Some(character) = self.peek().filter(|character| is_space(*character)) else {
                break;
            };
            self.at += character.len_utf8();
        }
        self.push(Kind::Space, start);
    }

    fn symbol(&mut self, character: char) -> Step {
        let kind = match character {
            '=' => Kind::Assign,
            '|' => Kind::Pipe,
            '(' => {
                self.parens += 1;
                Kind::LeftParen
            }
            ')' if self.parens == 0 => return Err("unexpected right paren".to_owned()),
            ')' => {
                self.parens -= 1;
                Kind::RightParen
            }
            ' '..='~' => Kind::Char,
            _ => {
                return Err(format!(
                    "unrecognized character in action: {}",
                    named(character)
                ));
            }
        };
        let start = self.at;
        self.at += character.len_utf8();
        self.push(kind, start);
        Ok(())
    }

    fn declare(&mut self) -> Step {
        let start = self.at;
        if !self.rest().starts_with(":=") {
            return Err("expected :=".to_owned());
        }
        self.at += 2;
        self.push(Kind::Declare, start);
        Ok(())
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Step {
        let start = self.at;
        let mut escaped = false;
        for (offset, character) in self.rest().char_indices().skip(1) {
            match character {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if character == quote => {
                    self.at += offset + quote.len_utf8();
                    self.push(kind, start);
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(unterminated.to_owned())
    }

    fn raw_string(&mut self) -> Step {
        let start = self.at;
        let Some(length) = self.rest()[1..].find('`') else {
            return Err("unterminated raw quoted string".to_owned());
        };
        self.at += length + 2;
        self.push(Kind::RawString, start);
        Ok(())
    }

    fn field(&mut self) -> Step {
        let after = self.text[self.at + 1..].chars().next();
        if !after.is_some_and(is_alphanumeric) {
            let start = self.at;
            self.at += 1;
            self.check_terminator()?;
            self.push(Kind::Dot, start);
            return Ok(());
        }
        self.name_after_sign(Kind::Field)
    }

    /// `.name` or `$name`.
    fn name_after_sign(&mut self, kind: Kind) -> Step {
        let start = self.at;
        self.at += 1;
        self.skip_while(is_alphanumeric);
        self.check_terminator()?;
        self.push(kind, start);
        Ok(())
    }

    fn word(&mut self) -> Step {
        let start = self.at;
        self.skip_while(is_alphanumeric);
        self.check_terminator()?;
        let word = &self.text[start..self.at];
        let keyword = KEYWORDS.iter().find(|(text, _)| *text == word);
        let kind = match (keyword, word) {
            (Some((_, keyword)), _) => Kind::Keyword(*keyword),
            (None, "true" | "false") => Kind::Bool,
            (None, _) => Kind::Identifier,
        };
        self.push(kind, start);
        Ok(())
    }

    /// Names must be followed by something that can follow a name.
    fn check_terminator(&self) -> Step {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => Ok(()),
            Some(character) if is_space(character) => Ok(()),
            Some(_) if self.rest().starts_with("}}") => Ok(()),
            Some(character) => Err(format!("bad character {}", named(character))),
        }
    }

    fn number(&mut self) -> Step {
        let start = self.at;
        let rest = self.rest();
        let unsigned = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        self.at += rest.len() - unsigned.len();
        let digits: fn(char) -> bool = match unsigned.as_bytes() {
            [b'0', b'x' | b'X', ..] => |c| c.is_ascii_hexdigit() || c == '_',
            [b'0', b'o' | b'O', ..] => |c| matches!(c, '0'..='7' | '_'),
            [b'0', b'b' | b'B', ..] => |c| matches!(c, '0' | '1' | '_'),
            _ => |c| c.is_ascii_digit() || c == '_',
        };
        let decimal = digits('9') && !digits('a');
        if !decimal {
            self.at += 2;
        }
        self.skip_while(digits);
        if decimal {
            self.fraction_and_exponent();
        }
        if let Some(character) = self.peek().filter(|character| is_alphanumeric(*character)) {
            self.at += character.len_utf8();
            return Err(format!(
                "bad number syntax: {:?}",
                &self.text[start..self.at]
            ));
        }
        self.push(Kind::Number, start);
        Ok(())
    }

    fn fraction_and_exponent(&mut self) {
        let digit = |character: char| character.is_ascii_digit() || character == '_';
        if self.rest().starts_with('.') {
            self.at += 1;
            self.skip_while(digit);
        }
        if self.rest().starts_with(['e', 'E']) {
            self.at += 1;
            if self.rest().starts_with(['+', '-']) {
                self.at += 1;
            }
            self.skip_while(digit);
        }
    }
}

/// Whether what follows a `{{` trims the text before it.
fn trims_left(rest: &str) -> bool {
    rest.strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(is_space))
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn is_alphanumeric(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// A character as Go's `%#U` shows it.
fn named(character: char) -> String {
    format!("U+{:04X} '{character}'", u32::from(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        tokens(text).into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn trims_text() {
        let texts: Vec<_> = tokens("a \n{{- 1 -}} \t b{{ 2 }} c")
            .into_iter()
            .filter(|token| token.kind == Kind::Text)
            .map(|token| token.text)
            .collect();
        assert_eq!(texts, ["a", "b", " c"]);
    }

    #[test]
    fn recognises_kinds() {
        assert_eq!(
            kinds("{{$x := .a.b | f 1.5}}"),
            [
                Kind::LeftDelimiter,
                Kind::Variable,
                Kind::Space,
                Kind::Declare,
                Kind::Space,
                Kind::Field,
                Kind::Field,
                Kind::Space,
                Kind::Pipe,
                Kind::Space,
                Kind::Identifier,
                Kind::Space,
                Kind::Number,
                Kind::RightDelimiter,
                Kind::End,
            ]
        );
        assert_eq!(kinds("{{/* x */}}"), [Kind::End]);
        assert_eq!(kinds("{{- /* x */ -}}"), [Kind::End]);
        assert_eq!(kinds("{{-1}}")[1], Kind::Number);
    }

    #[test]
    fn tells_errors() {
        let table = [
            ("{{", "unclosed action"),
            ("{{(1}}", "unclosed left paren"),
            ("{{1)}}", "unexpected right paren"),
            ("{{\"a\n\"}}", "unterminated quoted string"),
            ("{{`a}}", "unterminated raw quoted string"),
            ("{{/* }}", "unclosed comment"),
            ("{{/* */ x}}", "comment ends before closing delimiter"),
            ("{{3k}}", "bad number syntax: \"3k\""),
            ("{{.a@}}", "bad character U+0040 '@'"),
            (
                "{{\u{1}}}",
                "unrecognized character in action: U+0001 '\u{1}'",
            ),
            ("{{$a:b}}", "expected :="),
        ];
        for (text, message) in table {
            let last = tokens(text).pop().unwrap();
            assert_eq!(
                (last.kind, last.text.as_str()),
                (Kind::Error, message),
                "{text}"
            );
        }
    }
}
