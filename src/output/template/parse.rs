// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From tokens to the parsed form, with Go's grammar and Go's words for what is wrong.

use super::TemplateError;
use super::ast::{
    Branch, Command, Definitions, Node, Operand, OperandKind, Pipeline, Place, Setting,
};
use super::functions;
use super::lex::{Keyword, Kind, Token, tokens};
use super::literal;
use crate::output::value::Value;

/// How deep blocks and parentheses may nest, so that no input exhausts the stack.
const DEPTH_LIMIT: usize = 100;

/// A parsed template: its main body and what it defines.
pub(super) struct Parsed {
    pub(super) body: Vec<Node>,
    pub(super) definitions: Definitions,
}

/// Parses `text`, which errors call `name`.
pub(super) fn parse(name: &str, text: &str) -> Result<Parsed, TemplateError> {
    let mut parser = Parser {
        name,
        text,
        tokens: tokens(text),
        next: 0,
        variables: vec!["$".to_owned()],
        definitions: Definitions::new(),
        depth: 0,
        ranges: 0,
    };
    let body = parser.top_level()?;
    Ok(Parsed {
        body,
        definitions: parser.definitions,
    })
}

struct Parser<'t> {
    name: &'t str,
    text: &'t str,
    tokens: Vec<Token>,
    next: usize,
    variables: Vec<String>,
    definitions: Definitions,
    depth: usize,
    ranges: usize,
}

type Parse<T> = Result<T, TemplateError>;

/// What ended a list of nodes.
enum Ending {
    End,
    /// `{{else` was read, its rest was not.
    Else,
}

/// The blocks that may have an `{{else}}`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    If,
    With,
    Range,
}

impl Block {
    fn word(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
        }
    }

    fn keyword(self) -> Keyword {
        match self {
            Self::If => Keyword::If,
            Self::With => Keyword::With,
            Self::Range => Keyword::Range,
        }
    }
}

impl Parser<'_> {
    fn top_level(&mut self) -> Parse<Vec<Node>> {
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::End {
            if self.at_keyword(Keyword::Define) {
                self.definition()?;
                continue;
            }
            match self.text_or_action()? {
                Step::Node(node) => nodes.push(node),
                Step::Ending(Ending::End) => return Err(self.error("unexpected {{end}}")),
                Step::Ending(Ending::Else) => return Err(self.error("unexpected {{else}}")),
            }
        }
        Ok(nodes)
    }

    /// Whether an action with this keyword begins here.
    fn at_keyword(&self, keyword: Keyword) -> bool {
        let mut ahead = self.tokens[self.next..].iter();
        ahead
            .next()
            .is_some_and(|token| token.kind == Kind::LeftDelimiter)
            && ahead
                .find(|token| token.kind != Kind::Space)
                .map(|token| token.kind)
                == Some(Kind::Keyword(keyword))
    }

    fn definition(&mut self) -> Parse<()> {
        const CONTEXT: &str = "define clause";
        self.take();
        self.take_word();
        let name = self.template_name(CONTEXT)?;
        self.expect(Kind::RightDelimiter, CONTEXT)?;
        let outer = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let ranges = std::mem::take(&mut self.ranges);
        let (body, ending) = self.nodes()?;
        if matches!(ending, Ending::Else) {
            return Err(self.error("unexpected {{else}} in define clause"));
        }
        self.variables = outer;
        self.ranges = ranges;
        self.definitions.insert(name, body);
        Ok(())
    }

    fn template_name(&mut self, context: &str) -> Parse<String> {
        let token = self.take_word();
        if !matches!(token.kind, Kind::Str | Kind::RawString) {
            return Err(self.unexpected(&token, context));
        }
        literal::string(&token).map_err(|message| self.error(message))
    }

    /// Nodes up to an `{{end}}` or an `{{else`.
    fn nodes(&mut self) -> Parse<(Vec<Node>, Ending)> {
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::End {
            match self.text_or_action()? {
                Step::Node(node) => nodes.push(node),
                Step::Ending(ending) => return Ok((nodes, ending)),
            }
        }
        Err(self.error("unexpected EOF"))
    }

    fn text_or_action(&mut self) -> Parse<Step> {
        let token = self.take_word();
        match token.kind {
            Kind::Text => Ok(Step::Node(Node::Text(token.text))),
            Kind::LeftDelimiter => self.action(),
            _ => Err(self.unexpected(&token, "input")),
        }
    }

    fn action(&mut self) -> Parse<Step> {
        let token = self.take_word();
        let Kind::Keyword(keyword) = token.kind else {
            self.back();
            let pipeline = self.pipeline("command", Kind::RightDelimiter)?;
            return Ok(Step::Node(Node::Action(pipeline)));
        };
        let node = match keyword {
            Keyword::If => Node::If(self.branch(Block::If)?),
            Keyword::With => Node::With(self.branch(Block::With)?),
            Keyword::Range => Node::Range(self.branch(Block::Range)?),
            Keyword::Template => self.template_call()?,
            Keyword::Block => self.block()?,
            Keyword::Break => self.loop_control(Node::Break, "break")?,
            Keyword::Continue => self.loop_control(Node::Continue, "continue")?,
            Keyword::End => {
                self.expect(Kind::RightDelimiter, "end")?;
                return Ok(Step::Ending(Ending::End));
            }
            Keyword::Else => return Ok(Step::Ending(Ending::Else)),
            Keyword::Nil => {
                self.back();
                Node::Action(self.pipeline("command", Kind::RightDelimiter)?)
            }
            Keyword::Define => return Err(self.unexpected(&token, "{{define}}")),
        };
        Ok(Step::Node(node))
    }

    fn loop_control(&mut self, node: Node, word: &str) -> Parse<Node> {
        let token = self.take_word();
        if token.kind != Kind::RightDelimiter {
            return Err(self.unexpected(&token, &format!("{{{{{word}}}}}")));
        }
        if self.ranges == 0 {
            return Err(self.error(format!("{{{{{word}}}}} outside {{{{range}}}}")));
        }
        Ok(node)
    }

    fn branch(&mut self, block: Block) -> Parse<Branch> {
        self.enter()?;
        let outer = self.variables.len();
        let pipeline = self.pipeline(block.word(), Kind::RightDelimiter)?;
        if block == Block::Range {
            self.ranges += 1;
        }
        let (body, ending) = self.nodes()?;
        if block == Block::Range {
            self.ranges -= 1;
        }
        let otherwise = match ending {
            Ending::End => None,
            Ending::Else => Some(self.otherwise(block)?),
        };
        self.variables.truncate(outer);
        self.depth -= 1;
        Ok(Branch {
            place: pipeline.place.clone(),
            pipeline,
            body,
            otherwise,
        })
    }

    /// What follows `{{else`: `}}` and a body, or ` if …` and ` with …`, which share our `{{end}}`.
    fn otherwise(&mut self, block: Block) -> Parse<Vec<Node>> {
        let chained = Kind::Keyword(block.keyword());
        if block != Block::Range && self.peek_word().kind == chained {
            self.take_word();
            let branch = self.branch(block)?;
            let node = if block == Block::If {
                Node::If(branch)
            } else {
                Node::With(branch)
            };
            return Ok(vec![node]);
        }
        self.expect(Kind::RightDelimiter, "else")?;
        let (body, ending) = self.nodes()?;
        match ending {
            Ending::End => Ok(body),
            Ending::Else => Err(self.error("expected end; found {{else}}")),
        }
    }

    fn template_call(&mut self) -> Parse<Node> {
        const CONTEXT: &str = "template clause";
        let at = self.peek_word().at;
        let name = self.template_name(CONTEXT)?;
        let argument = self.optional_argument(CONTEXT)?;
        let mut place = self.place(at);
        place.words = format!("{{{{template {}}}}}", place.words);
        Ok(Node::Template {
            place,
            name,
            argument,
        })
    }

    fn optional_argument(&mut self, context: &'static str) -> Parse<Option<Pipeline>> {
        if self.peek_word().kind == Kind::RightDelimiter {
            self.take_word();
            return Ok(None);
        }
        self.pipeline(context, Kind::RightDelimiter).map(Some)
    }

    /// `{{block "name" pipeline}}`: a definition and a call of it.
    fn block(&mut self) -> Parse<Node> {
        const CONTEXT: &str = "block clause";
        let at = self.peek_word().at;
        let name = self.template_name(CONTEXT)?;
        let argument = self.pipeline(CONTEXT, Kind::RightDelimiter)?;
        self.enter()?;
        let outer = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let (body, ending) = self.nodes()?;
        if matches!(ending, Ending::Else) {
            return Err(self.error("unexpected {{else}} in block clause"));
        }
        self.variables = outer;
        self.depth -= 1;
        self.definitions.insert(name.clone(), body);
        Ok(Node::Template {
            place: self.place(at),
            name,
            argument: Some(argument),
        })
    }

    fn pipeline(&mut self, context: &'static str, end: Kind) -> Parse<Pipeline> {
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

    fn enter(&mut self) -> Parse<()> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(self.error("too many nested blocks and parentheses"));
        }
        Ok(())
    }

    fn peek(&self) -> Token {
        self.tokens[self.next.min(self.tokens.len() - 1)].clone()
    }

    fn take(&mut self) -> Token {
        let token = self.peek();
        self.next = (self.next + 1).min(self.tokens.len());
        token
    }

    fn back(&mut self) {
        self.next = self.next.saturating_sub(1);
    }

    /// The next token that is no space, not taken; spaces before it are.
    fn peek_word(&mut self) -> Token {
        while self.peek().kind == Kind::Space {
            self.take();
        }
        self.peek()
    }

    fn take_word(&mut self) -> Token {
        self.peek_word();
        self.take()
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parse<Token> {
        let token = self.take_word();
        if token.kind == kind {
            return Ok(token);
        }
        Err(self.unexpected(&token, context))
    }

    /// The place from the offset `start` to the last token taken.
    fn place(&self, start: usize) -> Place {
        let last = &self.tokens[self.next.saturating_sub(1).min(self.tokens.len() - 1)];
        let end = match last.kind {
            Kind::Space | Kind::Pipe | Kind::RightDelimiter => last.at,
            _ => last.at + last.text.len(),
        };
        let words = self.text.get(start..end.max(start)).unwrap_or("");
        Place {
            at: start,
            words: words.trim_end().to_owned(),
        }
    }

    fn unexpected(&self, token: &Token, context: &str) -> TemplateError {
        if token.kind == Kind::Error {
            return self.error(&token.text);
        }
        self.error(format!("unexpected {} in {context}", token.shown()))
    }

    fn error(&self, message: impl Into<String>) -> TemplateError {
        let last = self.next.saturating_sub(1).min(self.tokens.len() - 1);
        let before = &self.text[..self.tokens[last].at.min(self.text.len())];
        TemplateError::Parse {
            name: self.name.to_owned(),
            line: 1 + before.matches('\n').count(),
            message: message.into(),
        }
    }
}

/// What one step of a list of nodes gave.
enum Step {
    Node(Node),
    Ending(Ending),
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
