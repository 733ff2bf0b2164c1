// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs a parsed template over a value. Data are borrowed; only what functions make is owned.

use std::borrow::Cow;

use super::ast::{Branch, Command, Node, Operand, OperandKind, Pipeline, Place, Setting};
use super::{Strictness, Template, TemplateError, functions};
use crate::output::value::{Map, Value, print_value, type_name};

/// How deep bodies, blocks and parentheses may nest at run time: a template may call itself.
const DEPTH_LIMIT: usize = 200;

/// Runs `template` with `data` as the dot and appends what it prints to `out`.
pub(super) fn execute(
    template: &Template,
    data: &Value,
    strictness: Strictness,
    out: &mut String,
) -> Result<(), TemplateError> {
    let mut executor = Executor {
        template,
        strictness,
        out,
        variables: vec![("$", Cow::Borrowed(data))],
        depth: 0,
        body: &template.name,
    };
    executor
        .nodes(&template.body, &Cow::Borrowed(data))
        .map(|_| ())
        .map_err(|fault| fault.at(template))
}

/// A value of the data, or one that a function made.
type Datum<'a> = Cow<'a, Value>;

/// What went wrong and where.
struct Fault {
    place: Place,
    body: String,
    message: String,
}

impl Fault {
    fn at(self, template: &Template) -> TemplateError {
        let before = template.text.get(..self.place.at).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |index| index + 1);
        let mut words = self.place.words;
        if let Some((cut, _)) = words.char_indices().nth(20) {
            words.truncate(cut);
            words.push_str("...");
        }
        TemplateError::Execute {
            name: template.name.clone(),
            line: 1 + before.matches('\n').count(),
            column: before.len() - line_start,
            body: self.body,
            words,
            message: self.message,
        }
    }
}

type Run<T> = Result<T, Fault>;

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

struct Executor<'a, 'o> {
    template: &'a Template,
    strictness: Strictness,
    out: &'o mut String,
    variables: Vec<(&'a str, Datum<'a>)>,
    depth: usize,
    body: &'a str,
}

impl<'a> Executor<'a, '_> {
    fn nodes(&mut self, nodes: &'a [Node], dot: &Datum<'a>) -> Run<Flow> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &'a Node, dot: &Datum<'a>) -> Run<Flow> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    print_value(&value, self.out);
                }
            }
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                return self.scoped(branch, node, dot);
            }
            Node::Template {
                place,
                name,
                argument,
            } => self.call_template(place, name, argument.as_ref(), dot)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    /// Runs a block; its variables end with it.
    fn scoped(&mut self, branch: &'a Branch, node: &Node, dot: &Datum<'a>) -> Run<Flow> {
        self.enter(&branch.place)?;
        let variables = self.variables.len();
        let value = self.pipeline(&branch.pipeline, dot)?;
        let flow = if matches!(node, Node::Range(_)) {
            self.range(branch, value, dot)?
        } else if value.is_true() {
            let is_with = matches!(node, Node::With(_));
            self.nodes(&branch.body, if is_with { &value } else { dot })?
        } else {
            self.nodes(branch.otherwise.as_deref().unwrap_or_default(), dot)?
        };
        self.variables.truncate(variables);
        self.depth -= 1;
        Ok(flow)
    }

    fn range(&mut self, branch: &'a Branch, value: Datum<'a>, dot: &Datum<'a>) -> Run<Flow> {
        let over_count = matches!(&*value, Value::Int(_) | Value::Uint(_));
        if over_count && branch.pipeline.variables.len() > 1 {
            let message = format!(
                "can't use {} to iterate over more than one variable",
                value_text(&value)
            );
            return Err(self.fault(&branch.place, message));
        }
        let Some(pairs) = pairs(value) else {
            let words = &branch.pipeline.place.words;
            let message = format!("range can't iterate over {words}");
            return Err(self.fault(&branch.place, message));
        };
        let mut ran = false;
        for (key, item) in pairs {
            ran = true;
            let variables = self.variables.len();
            match branch.pipeline.variables.as_slice() {
                [] => {}
                [only] => self.set(only, item.clone()),
                [index, element, ..] => {
                    self.set(index, key);
                    self.set(element, item.clone());
                }
            }
            let flow = self.nodes(&branch.body, &item)?;
            self.variables.truncate(variables);
            if flow == Flow::Break {
                break;
            }
        }
        if !ran {
            let otherwise = branch.otherwise.as_deref().unwrap_or_default();
            return self.nodes(otherwise, dot);
        }
        Ok(Flow::Next)
    }

    fn call_template(
        &mut self,
        place: &Place,
        name: &'a str,
        argument: Option<&'a Pipeline>,
        dot: &Datum<'a>,
    ) -> Run<()> {
        let template: &'a Template = self.template;
        let Some(body) = template.definitions.get(name) else {
            return Err(self.fault(place, format!("template {name:?} not defined")));
        };
        self.enter(place)?;
        let data = match argument {
            Some(pipeline) => self.pipeline(pipeline, dot)?,
            None => Cow::Owned(Value::NoValue),
        };
        let outer_variables = std::mem::replace(&mut self.variables, vec![("$", data.clone())]);
        let outer_body = std::mem::replace(&mut self.body, name);
        self.nodes(body, &data)?;
        self.variables = outer_variables;
        self.body = outer_body;
        self.depth -= 1;
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &'a Pipeline, dot: &Datum<'a>) -> Run<Datum<'a>> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, dot, value)?);
        }
        let value = value.unwrap_or(Cow::Owned(Value::NoValue));
        for name in &pipeline.variables {
            match pipeline.setting {
                Setting::Declare => self.variables.push((name, value.clone())),
                Setting::Assign => self.set(name, value.clone()),
            }
        }
        Ok(value)
    }

    /// Sets the innermost variable of that name.
    fn set(&mut self, name: &str, value: Datum<'a>) {
        let mut innermost = self.variables.iter_mut().rev();
        if let Some(variable) = innermost.find(|(known, _)| *known == name) {
            variable.1 = value;
        }
    }

    fn command(
        &mut self,
        command: &'a Command,
        dot: &Datum<'a>,
        piped: Option<Datum<'a>>,
    ) -> Run<Datum<'a>> {
        let first = &command.operands[0];
        let rest = &command.operands[1..];
        match &first.kind {
            OperandKind::Function(name) => {
                self.function(name, &command.place, first, rest, dot, piped)
            }
            OperandKind::Fields(_) | OperandKind::Variable { .. } | OperandKind::Chain { .. } => {
                let mut arguments = Vec::with_capacity(rest.len() + 1);
                for operand in rest {
                    arguments.push(self.operand(operand, dot)?);
                }
                arguments.extend(piped);
                self.selected(first, dot, &arguments)
            }
            OperandKind::Dot
            | OperandKind::Literal(_)
            | OperandKind::Pipeline(_)
            | OperandKind::Nil => {
                if !rest.is_empty() || piped.is_some() {
                    let message =
                        format!("can't give argument to non-function {}", first.place.words);
                    return Err(self.fault(&first.place, message));
                }
                if first.kind == OperandKind::Nil {
                    return Err(self.fault(&first.place, "nil is not a command".to_owned()));
                }
                self.operand(first, dot)
            }
        }
    }

    /// The value of an operand that is given no arguments.
    fn operand(&mut self, operand: &'a Operand, dot: &Datum<'a>) -> Run<Datum<'a>> {
        match &operand.kind {
            OperandKind::Dot => Ok(dot.clone()),
            OperandKind::Nil => Ok(Cow::Owned(Value::Nil)),
            OperandKind::Literal(value) => Ok(Cow::Borrowed(value)),
            OperandKind::Function(name) => {
                self.function(name, &operand.place, operand, &[], dot, None)
            }
            OperandKind::Pipeline(pipeline) => {
                self.enter(&operand.place)?;
                let value = self.pipeline(pipeline, dot)?;
                self.depth -= 1;
                Ok(value)
            }
            OperandKind::Fields(_) | OperandKind::Variable { .. } | OperandKind::Chain { .. } => {
                self.selected(operand, dot, &[])
            }
        }
    }

    /// The end of a chain of fields, called with `arguments` if it is a method.
    fn selected(
        &mut self,
        operand: &'a Operand,
        dot: &Datum<'a>,
        arguments: &[Datum<'a>],
    ) -> Run<Datum<'a>> {
        let (mut receiver, fields) = match &operand.kind {
            OperandKind::Fields(fields) => (dot.clone(), fields),
            OperandKind::Variable { name, fields } => (self.variable(name), fields),
            OperandKind::Chain { base, fields } => (self.operand(base, dot)?, fields),
            OperandKind::Dot
            | OperandKind::Nil
            | OperandKind::Literal(_)
            | OperandKind::Function(_)
            | OperandKind::Pipeline(_) => return self.operand(operand, dot),
        };
        let Some((last, inner)) = fields.split_last() else {
            if arguments.is_empty() {
                return Ok(receiver);
            }
            let message = format!(
                "can't give argument to non-function {}",
                operand.place.words
            );
            return Err(self.fault(&operand.place, message));
        };
        for name in inner {
            receiver = self.field(receiver, name, &[], &operand.place)?;
        }
        self.field(receiver, last, arguments, &operand.place)
    }

    fn variable(&self, name: &str) -> Datum<'a> {
        let mut innermost = self.variables.iter().rev();
        let found = innermost.find(|(known, _)| *known == name);
        found.map_or(Cow::Owned(Value::NoValue), |(_, value)| value.clone())
    }

    fn field(
        &self,
        receiver: Datum<'a>,
        name: &str,
        arguments: &[Datum<'a>],
        place: &Place,
    ) -> Run<Datum<'a>> {
        if self.strictness == Strictness::Headings {
            return Ok(heading(&receiver, name));
        }
        if matches!(&*receiver, Value::NoValue) {
            return Ok(Cow::Owned(Value::NoValue));
        }
        if let Some(result) = method(&receiver, name, arguments) {
            let value = result
                .map_err(|message| self.fault(place, format!("error calling {name}: {message}")))?;
            return Ok(Cow::Owned(value));
        }
        let type_name = type_name(&receiver);
        match member(receiver, name) {
            Member::Found(_) if !arguments.is_empty() => {
                let message = format!("{name} has arguments but cannot be invoked as function");
                Err(self.fault(place, message))
            }
            Member::Missing if !arguments.is_empty() => {
                let message = format!("{name} is not a method but has arguments");
                Err(self.fault(place, message))
            }
            Member::Found(value) => Ok(value),
            Member::Missing => Ok(Cow::Owned(Value::NoValue)),
            Member::NilPointer => {
                let message = format!("nil pointer evaluating interface {{}}.{name}");
                Err(self.fault(place, message))
            }
            Member::Unknown => {
                let message = format!("can't evaluate field {name} in type {type_name}");
                Err(self.fault(place, message))
            }
        }
    }

    fn function(
        &mut self,
        name: &str,
        place: &Place,
        at: &Operand,
        operands: &'a [Operand],
        dot: &Datum<'a>,
        piped: Option<Datum<'a>>,
    ) -> Run<Datum<'a>> {
        if let "and" | "or" = name {
            return self.short_circuit(name == "or", at, operands, dot, piped);
        }
        let mut arguments = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(piped);
        if self.strictness == Strictness::Headings && functions::keeps_headings(name) {
            let first = arguments.into_iter().next();
            return Ok(first.unwrap_or(Cow::Owned(Value::NoValue)));
        }
        functions::call(name, &arguments)
            .map(Cow::Owned)
            .map_err(|problem| match problem {
                functions::Problem::Usage(message) => self.fault(&at.place, message),
                functions::Problem::Failed(message) => {
                    self.fault(place, format!("error calling {name}: {message}"))
                }
            })
    }

    /// `and` and `or` evaluate no further than they must.
    fn short_circuit(
        &mut self,
        stops_at: bool,
        at: &Operand,
        operands: &'a [Operand],
        dot: &Datum<'a>,
        piped: Option<Datum<'a>>,
    ) -> Run<Datum<'a>> {
        let mut last = None;
        for operand in operands {
            let value = self.operand(operand, dot)?;
            if value.is_true() == stops_at {
                return Ok(value);
            }
            last = Some(value);
        }
        piped.or(last).ok_or_else(|| {
            let words = &at.place.words;
            let message = format!("wrong number of args for {words}: want at least 1 got 0");
            self.fault(&at.place, message)
        })
    }

    fn enter(&mut self, place: &Place) -> Run<()> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            let message = format!("exceeded maximum template depth ({DEPTH_LIMIT})");
            return Err(self.fault(place, message));
        }
        Ok(())
    }

    fn fault(&self, place: &Place, message: String) -> Fault {
        Fault {
            place: place.clone(),
            body: self.body.to_owned(),
            message,
        }
    }
}

/// What a selector finds.
enum Member<'a> {
    Found(Datum<'a>),
    /// A map has no such key.
    Missing,
    NilPointer,
    /// A struct has no such field, or the value has no fields at all.
    Unknown,
}

fn member<'a>(receiver: Datum<'a>, name: &str) -> Member<'a> {
    let (found, absent) = match receiver {
        Cow::Borrowed(Value::Struct(value)) => {
            (value.field(name).map(Cow::Borrowed), Member::Unknown)
        }
        Cow::Owned(Value::Struct(value)) => {
            (value.into_field(name).map(Cow::Owned), Member::Unknown)
        }
        Cow::Borrowed(Value::Map(map)) => {
            (map.entries.get(name).map(Cow::Borrowed), Member::Missing)
        }
        Cow::Owned(Value::Map(mut map)) => {
            (map.entries.remove(name).map(Cow::Owned), Member::Missing)
        }
        Cow::Borrowed(Value::Nil) | Cow::Owned(Value::Nil) => (None, Member::NilPointer),
        _ => (None, Member::Unknown),
    };
    found.map_or(absent, Member::Found)
}

/// Calls the method `name` of the value, if it has one.
fn method(receiver: &Value, name: &str, arguments: &[Datum<'_>]) -> Option<Result<Value, String>> {
    match receiver {
        Value::Struct(value) => {
            let method = value.methods.iter().find(|method| method.name == name)?;
            let arguments: Vec<Value> = arguments.iter().map(|value| (**value).clone()).collect();
            Some((method.call)(value, &arguments))
        }
        Value::Time(time) => match arguments {
            [] => time.method(name, None).map(Ok),
            [argument] => {
                let Value::Str(layout) = &**argument else {
                    return None;
                };
                time.method(name, Some(layout)).map(Ok)
            }
            _ => None,
        },
        Value::Duration(nanoseconds) if arguments.is_empty() => {
            duration_method(*nanoseconds, name).map(Ok)
        }
        _ => None,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Go's methods lose the same digits"
)]
fn duration_method(nanoseconds: i64, name: &str) -> Option<Value> {
    let seconds = nanoseconds as f64 / 1e9;
    Some(match name {
        "Hours" => Value::Float(seconds / 3600.0),
        "Minutes" => Value::Float(seconds / 60.0),
        "Seconds" => Value::Float(seconds),
        "Milliseconds" => Value::Int(nanoseconds / 1_000_000),
        "Nanoseconds" => Value::Int(nanoseconds),
        "String" => Value::Str(value_text(&Value::Duration(nanoseconds))),
        _ => return None,
    })
}

/// What a heading shows for a selector: the heading itself, else the words of the name in capitals.
fn heading<'a>(receiver: &Value, name: &str) -> Datum<'a> {
    let known = match receiver {
        Value::Map(Map { entries, .. }) => entries.get(name).cloned(),
        _ => None,
    };
    Cow::Owned(known.unwrap_or_else(|| Value::Str(heading_words(name))))
}

/// `ExitCode` as `EXIT CODE`, `ImageID` as `IMAGE ID`, `CIDFile` as `CID FILE`.
fn heading_words(name: &str) -> String {
    let characters: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (index, &character) in characters.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| characters[before]);
        let after = characters.get(index + 1);
        let starts_word = before.is_some_and(|before| {
            let word_after_capitals =
                before.is_uppercase() && after.is_some_and(|after| after.is_lowercase());
            character.is_uppercase() && (before.is_lowercase() || word_after_capitals)
                || character.is_numeric() != before.is_numeric()
        });
        if starts_word {
            out.push(' ');
        }
        out.extend(character.to_uppercase());
    }
    out
}

type Pairs<'a> = Box<dyn Iterator<Item = (Datum<'a>, Datum<'a>)> + 'a>;

/// The keys and elements that a range runs over; `None` for what is no collection.
fn pairs(value: Datum<'_>) -> Option<Pairs<'_>> {
    let index = |index: usize| Cow::Owned(Value::Int(i64::try_from(index).unwrap_or(i64::MAX)));
    Some(match value {
        Cow::Borrowed(Value::List(items)) => {
            let items = items.iter().enumerate();
            Box::new(items.map(move |(at, item)| (index(at), Cow::Borrowed(item))))
        }
        Cow::Owned(Value::List(items)) => {
            let items = items.into_iter().enumerate();
            Box::new(items.map(move |(at, item)| (index(at), Cow::Owned(item))))
        }
        Cow::Borrowed(Value::Map(map)) => {
            let entries = map.entries.iter();
            Box::new(entries.map(|(key, item)| (text(key.clone()), Cow::Borrowed(item))))
        }
        Cow::Owned(Value::Map(map)) => {
            let entries = map.entries.into_iter();
            Box::new(entries.map(|(key, item)| (text(key), Cow::Owned(item))))
        }
        Cow::Borrowed(&Value::Int(count)) | Cow::Owned(Value::Int(count)) => {
            Box::new((0..count).map(|at| (Cow::Owned(Value::Int(at)), Cow::Owned(Value::Int(at)))))
        }
        Cow::Borrowed(&Value::Uint(count)) | Cow::Owned(Value::Uint(count)) => Box::new(
            (0..count).map(|at| (Cow::Owned(Value::Uint(at)), Cow::Owned(Value::Uint(at)))),
        ),
        Cow::Borrowed(Value::Nil | Value::NoValue) | Cow::Owned(Value::Nil | Value::NoValue) => {
            Box::new(std::iter::empty())
        }
        _ => return None,
    })
}

fn text<'a>(text: String) -> Datum<'a> {
    Cow::Owned(Value::Str(text))
}

fn value_text(value: &Value) -> String {
    let mut out = String::new();
    print_value(value, &mut out);
    out
}
