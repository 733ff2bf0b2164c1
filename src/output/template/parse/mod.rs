// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From tokens to the parsed form, with Go's grammar and Go's words for what is wrong: the blocks
//! here, what stands in an action in [`pipeline`].

mod pipeline;

use super::TemplateError;
use super::ast::{Branch, Definitions, Node, Pipeline, Place};
use super::lex::{Keyword, Kind, Token, tokens};
use super::literal;

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
