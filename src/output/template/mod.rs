// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Go's text/template over a [`Value`]: what `--format` takes.
//!
//! Written here because the crates that exist (gtmpl, gotmpl) know neither structs nor methods,
//! so that they can tell neither an unknown field from a missing key nor where an error is.
//! Nothing a user can type makes it panic, recurse without end or fill the memory by itself.

mod ast;
mod execute;
mod functions;
mod lex;
mod literal;
mod parse;
mod printf;

use std::collections::BTreeSet;

use crate::output::value::Value;

/// A parsed template.
#[derive(Debug, Clone)]
pub struct Template {
    name: String,
    text: String,
    body: Vec<ast::Node>,
    definitions: ast::Definitions,
}

/// Why a template cannot be used; printed as Go prints it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The text is no template.
    #[error("template: {name}:{line}: {message}")]
    Parse {
        /// The template's name, which is the command's.
        name: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The template does not fit the data.
    #[error("template: {name}:{line}:{column}: executing {body:?} at <{words}>: {message}")]
    Execute {
        /// The template's name, which is the command's.
        name: String,
        /// The line, from 1.
        line: usize,
        /// The byte in the line.
        column: usize,
        /// The name of the body: that of a `{{define}}` or the template's own.
        body: String,
        /// The words at fault.
        words: String,
        /// What is wrong.
        message: String,
    },
}

/// How missing or extra selectors are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strictness {
    /// As Go does.
    #[default]
    Go,
    /// A heading is asked for more than its name (`.Label "x"`, `.State.Pid`): it stays as it is.
    Headings,
}

impl Template {
    /// Parses `text`; errors call it `name`.
    ///
    /// # Errors
    ///
    /// [`TemplateError::Parse`] with the line.
    pub fn parse(name: &str, text: &str) -> Result<Self, TemplateError> {
        let parsed = parse::parse(name, text)?;
        Ok(Self {
            name: name.to_owned(),
            text: text.to_owned(),
            body: parsed.body,
            definitions: parsed.definitions,
        })
    }

    /// Appends the template's output for `data` to `out`.
    ///
    /// # Errors
    ///
    /// [`TemplateError::Execute`] with the place; `out` then ends where the error stopped it.
    pub fn execute(&self, data: &Value, out: &mut String) -> Result<(), TemplateError> {
        execute::execute(self, data, Strictness::Go, out)
    }

    /// Appends the template's output for a row of headings to `out`.
    ///
    /// # Errors
    ///
    /// [`TemplateError::Execute`] as for data.
    pub fn execute_headings(&self, data: &Value, out: &mut String) -> Result<(), TemplateError> {
        execute::execute(self, data, Strictness::Headings, out)
    }

    /// Every field and method name that the template mentions, so that a command need not
    /// compute what is not shown.
    pub fn mentioned(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for body in std::iter::once(&self.body).chain(self.definitions.values()) {
            ast::mentioned(body, &mut names);
        }
        names
    }
}

#[cfg(test)]
mod tests;
