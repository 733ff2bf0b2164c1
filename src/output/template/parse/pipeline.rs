// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pipelines: their declarations, commands and operands.

use super::{Parse, Parser};
use crate::output::template::ast::{Command, Operand, OperandKind, Pipeline, Setting};
use crate::output::template::functions;
use crate::output::template::lex::{Keyword, Kind};
use crate::output::template::literal;
use crate::output::value::Value;

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &'static str, end: Kind) -> Parse<Pipeline> {
        self.enter()?;
        let at = self.peek_word().at;
        let (variables, setting) = self.declarations(context)?;
        let mut commands = Vec::new();
        loop {
            let token = self.take_word();
            match token.kind {
                kind if kind == end => break,
                kind if starts_operand(kind) => {
                    self.back();
                    commands.push(self.command()?);
                }
                _ => return Err(self.unexpected(&token, context)),
            }
        }
        self.check_commands(&commands, context)?;
        self.depth -= 1;
        Ok(Pipeline {
            place: self.place(at),
            variables,
            setting,
            commands,
        })
    }

    /// `$x :=`, `$x =` or, in a range, `$k, $v :=` before the commands.
    fn declarations(&mut self, context: &str) -> Parse<(Vec<String>, Setting)> {
        let mut names = Vec::new();
        self.peek_word();
        loop {
            let start = self.next;
            let variable = self.take_word();
            if variable.kind != Kind::Variable {
                self.next = start;
                return self.undeclared(names);
            }
            let sign = self.take_word();
            match sign.kind {
                Kind::Declare | Kind::Assign => {
                    names.push(variable.text);
                    return self.declared(names, sign.kind);
                }
                Kind::Char if sign.text == "," && context == "range" && names.is_empty() => {
                    names.push(variable.text);
                    if !matches!(self.peek_word().kind, Kind::Variable) {
                        return Err(self.error("range can only initialize variables"));
                    }
                }
                Kind::Char if sign.text == "," => {
                    return Err(self.error(format!("too many declarations in {context}")));
                }
                _ => {
                    self.next = start;
                    return self.undeclared(names);
                }
            }
        }
    }

    fn undeclared(&mut self, names: Vec<String>) -> Parse<(Vec<String>, Setting)> {
        if names.is_empty() {
            return Ok((names, Setting::Declare));
        }
        let token = self.peek_word();
        Err(self.unexpected(&token, "range"))
    }

    fn declared(&mut self, names: Vec<String>, sign: Kind) -> Parse<(Vec<String>, Setting)> {
        if sign == Kind::Declare {
            self.variables.extend(names.iter().cloned());
            return Ok((names, Setting::Declare));
        }
        for name in &names {
            self.check_variable(name)?;
        }
        Ok((names, Setting::Assign))
    }

    fn check_variable(&self, name: &str) -> Parse<()> {
        if self.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(self.error(format!("undefined variable {name:?}")))
    }

    fn check_commands(&self, commands: &[Command], context: &str) -> Parse<()> {
        if commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        for (index, command) in commands.iter().enumerate().skip(1) {
            let callable = match &command.operands[0].kind {
                OperandKind::Dot | OperandKind::Nil | OperandKind::Literal(_) => false,
                OperandKind::Fields(_)
                | OperandKind::Variable { .. }
                | OperandKind::Function(_)
                | OperandKind::Chain { .. }
                | OperandKind::Pipeline(_) => true,
            };
            if !callable {
                let stage = index + 1;
                return Err(self.error(format!("non executable command in pipeline stage {stage}")));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parse<Command> {
        let at = self.peek_word().at;
        let mut operands = Vec::new();
        loop {
            self.peek_word();
            if let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            let token = self.take();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelimiter | Kind::RightParen => self.back(),
                Kind::Pipe => {}
                _ => return Err(self.unexpected(&token, "operand")),
            }
            break;
        }
        if operands.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(Command {
            place: self.place(at),
            operands,
        })
    }

    /// A term and the fields behind it.
    fn operand(&mut self) -> Parse<Option<Operand>> {
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        let fields_at = self.peek().at;
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(self.take().text[1..].to_owned());
        }
        if fields.is_empty() {
            return Ok(Some(term));
        }
        let start = term.place.at;
        // Go places a chain of fields at its second field.
        let mut place = self.place(start);
        let kind = match term.kind {
            OperandKind::Fields(mut first) => {
                place.at = fields_at;
                first.append(&mut fields);
                OperandKind::Fields(first)
            }
            OperandKind::Variable { name, .. } => {
                place.at = fields_at;
                OperandKind::Variable { name, fields }
            }
            OperandKind::Dot | OperandKind::Nil | OperandKind::Literal(_) => {
                let words = &term.place.words;
                return Err(self.error(format!("unexpected . after term {words:?}")));
            }
            OperandKind::Function(_) | OperandKind::Pipeline(_) | OperandKind::Chain { .. } => {
                OperandKind::Chain {
                    base: Box::new(term),
                    fields,
                }
            }
        };
        Ok(Some(Operand { place, kind }))
    }

    fn term(&mut self) -> Parse<Option<Operand>> {
        let token = self.take_word();
        let kind = match token.kind {
            Kind::Identifier => {
                if !functions::exists(&token.text) {
                    return Err(self.error(format!("function {:?} not defined", token.text)));
                }
                OperandKind::Function(token.text)
            }
            Kind::Dot => OperandKind::Dot,
            Kind::Keyword(Keyword::Nil) => OperandKind::Nil,
            Kind::Variable => {
                self.check_variable(&token.text)?;
                OperandKind::Variable {
                    name: token.text,
                    fields: Vec::new(),
                }
            }
            Kind::Field => OperandKind::Fields(vec![token.text[1..].to_owned()]),
            Kind::Bool => OperandKind::Literal(Value::Bool(token.text == "true")),
            Kind::CharConstant | Kind::Number => {
                let number = literal::number(&token).map_err(|message| self.error(message))?;
                OperandKind::Literal(number)
            }
            Kind::Str | Kind::RawString => {
                let text = literal::string(&token).map_err(|message| self.error(message))?;
                OperandKind::Literal(Value::Str(text))
            }
            Kind::LeftParen => {
                let pipeline = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                OperandKind::Pipeline(Box::new(pipeline))
            }
            _ => {
                self.back();
                return Ok(None);
            }
        };
        Ok(Some(Operand {
            place: self.place(token.at),
            kind,
        }))
    }
}

fn starts_operand(kind: Kind) -> bool {
    match kind {
        Kind::Bool
        | Kind::CharConstant
        | Kind::Dot
        | Kind::Field
        | Kind::Identifier
        | Kind::Number
        | Kind::Str
        | Kind::RawString
        | Kind::Variable
        | Kind::LeftParen
        | Kind::Keyword(Keyword::Nil) => true,
        Kind::Error
        | Kind::End
        | Kind::Text
        | Kind::LeftDelimiter
        | Kind::RightDelimiter
        | Kind::Space
        | Kind::Char
        | Kind::Assign
        | Kind::Declare
        | Kind::RightParen
        | Kind::Pipe
        | Kind::Keyword(_) => false,
    }
}
