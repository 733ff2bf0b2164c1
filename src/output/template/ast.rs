// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parsed form of a template.

use std::collections::{BTreeSet, HashMap};

use crate::output::value::Value;

/// A place in the template and the words that stand there, for errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Byte offset in the template.
    pub(super) at: usize,
    /// The words, as Go's errors would show them.
    pub(super) words: String,
}

/// The named bodies that a template defines.
pub(super) type Definitions = HashMap<String, Vec<Node>>;

/// One piece of a body.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    /// `{{pipeline}}`.
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template {
        place: Place,
        name: String,
        argument: Option<Pipeline>,
    },
    Break,
    Continue,
}

/// The parts of `if`, `with` and `range`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Branch {
    pub(super) place: Place,
    pub(super) pipeline: Pipeline,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Option<Vec<Node>>,
}

/// `$x, $y := command | command`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipeline {
    pub(super) place: Place,
    /// The variables that it sets.
    pub(super) variables: Vec<String>,
    pub(super) setting: Setting,
    pub(super) commands: Vec<Command>,
}

/// What a pipeline does with its variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// `:=`
    Declare,
    /// `=`
    Assign,
}

/// A word and its arguments; never empty.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    pub(super) place: Place,
    pub(super) operands: Vec<Operand>,
}

/// One operand with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operand {
    pub(super) place: Place,
    pub(super) kind: OperandKind,
}

/// What an operand is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum OperandKind {
    Dot,
    Nil,
    /// A text, number or truth value written in the template.
    Literal(Value),
    /// `.A.B` on the current value.
    Fields(Vec<String>),
    /// `$x.A.B`.
    Variable {
        name: String,
        fields: Vec<String>,
    },
    /// The name of a function.
    Function(String),
    /// `(pipeline).A.B`, or `.A.B` on another operand.
    Chain {
        base: Box<Operand>,
        fields: Vec<String>,
    },
    /// `(pipeline)`.
    Pipeline(Box<Pipeline>),
}

/// Collects the names of fields and methods in `nodes`.
pub(super) fn mentioned(nodes: &[Node], names: &mut BTreeSet<String>) {
    for node in nodes {
        match node {
            Node::Text(_) | Node::Break | Node::Continue => {}
            Node::Action(pipeline) => pipeline.mentioned(names),
            Node::Template { argument, .. } => {
                if let Some(pipeline) = argument {
                    pipeline.mentioned(names);
                }
            }
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                branch.pipeline.mentioned(names);
                mentioned(&branch.body, names);
                mentioned(branch.otherwise.as_deref().unwrap_or_default(), names);
            }
        }
    }
}

impl Pipeline {
    fn mentioned(&self, names: &mut BTreeSet<String>) {
        let operands = self.commands.iter().flat_map(|command| &command.operands);
        for operand in operands {
            operand.mentioned(names);
        }
    }
}

impl Operand {
    fn mentioned(&self, names: &mut BTreeSet<String>) {
        match &self.kind {
            OperandKind::Dot
            | OperandKind::Nil
            | OperandKind::Literal(_)
            | OperandKind::Function(_) => {}
            OperandKind::Fields(fields) | OperandKind::Variable { fields, .. } => {
                names.extend(fields.iter().cloned());
            }
            OperandKind::Chain { base, fields } => {
                base.mentioned(names);
                names.extend(fields.iter().cloned());
            }
            OperandKind::Pipeline(pipeline) => pipeline.mentioned(names),
        }
    }
}
