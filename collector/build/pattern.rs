//! Regular expressions of the price list → instructions of `price/pattern.rs`, as Rust source.
//!
//! The list uses look-ahead, which the `regex` crates lack, and very little else: literals, `\d`, `.`, classes, groups,
//! alternatives, `? * + {n} {n,m}`, `^ $`, `(?=…)`, `(?!…)`. Anything else fails the build.

use std::iter::Peekable;
use std::str::Chars;

enum Node {
    Byte(u8),
    Any,
    Start,
    End,
    Class { negated: bool, ranges: Vec<(u8, u8)> },
    Sequence(Vec<Node>),
    Either(Vec<Node>),
    Repeat { node: Box<Node>, min: usize, max: Option<usize> },
    Look { negative: bool, node: Box<Node> },
}

/// Compiles a pattern into the text of a `[Inst]` expression.
///
/// # Errors
/// Names the construct that is not supported.
pub fn compile(pattern: &str) -> Result<String, String> {
    let mut chars = pattern.chars().peekable();
    let tree = either(&mut chars).map_err(|what| format!("pattern {pattern:?}: {what}"))?;
    if chars.next().is_some() {
        return Err(format!("pattern {pattern:?}: unbalanced )"));
    }
    let mut code = Vec::new();
    emit(&tree, &mut code);
    code.push("Inst::Match".to_owned());
    Ok(format!("[{}]", code.join(", ")))
}

fn either(chars: &mut Peekable<Chars>) -> Result<Node, String> {
    let mut ways = vec![sequence(chars)?];
    while chars.next_if_eq(&'|').is_some() {
        ways.push(sequence(chars)?);
    }
    Ok(Node::Either(ways))
}

fn sequence(chars: &mut Peekable<Chars>) -> Result<Node, String> {
    let mut nodes = Vec::new();
    while let Some(&c) = chars.peek() {
        if c == '|' || c == ')' {
            break;
        }
        let node = atom(chars)?;
        nodes.push(repeated(node, chars)?);
    }
    Ok(Node::Sequence(nodes))
}

fn repeated(node: Node, chars: &mut Peekable<Chars>) -> Result<Node, String> {
    let (min, max) = match chars.peek() {
        Some('?') => (0, Some(1)),
        Some('*') => (0, None),
        Some('+') => (1, None),
        Some('{') => {
            let bounds: String = chars.by_ref().take_while(|&c| c != '}').skip(1).collect();
            let number = |text: &str| text.parse::<usize>().map_err(|_| format!("bad repetition {{{bounds}}}"));
            let (min, max) = match bounds.split_once(',') {
                None => (number(&bounds)?, Some(number(&bounds)?)),
                Some((min, "")) => (number(min)?, None),
                Some((min, max)) => (number(min)?, Some(number(max)?)),
            };
            return Ok(Node::Repeat { node: Box::new(node), min, max });
        }
        _ => return Ok(node),
    };
    chars.next();
    Ok(Node::Repeat { node: Box::new(node), min, max })
}

fn atom(chars: &mut Peekable<Chars>) -> Result<Node, String> {
    match chars.next() {
        Some('^') => Ok(Node::Start),
        Some('$') => Ok(Node::End),
        Some('.') => Ok(Node::Any),
        Some('[') => class(chars),
        Some('(') => group(chars),
        Some('\\') => escape(chars),
        Some(c) if c.is_ascii() && !"?*+{}]".contains(c) => Ok(Node::Byte(c as u8)),
        other => Err(format!("{other:?} is not supported")),
    }
}

fn group(chars: &mut Peekable<Chars>) -> Result<Node, String> {
    let mut negative = None;
    if chars.next_if_eq(&'?').is_some() {
        match chars.next() {
            Some(':') => {}
            Some('!') => negative = Some(true),
            Some('=') => negative = Some(false),
            other => return Err(format!("(?{other:?} is not supported")),
        }
    }
    let node = either(chars)?;
    if chars.next() != Some(')') {
        return Err("unbalanced (".to_owned());
    }
    Ok(match negative {
        Some(negative) => Node::Look { negative, node: Box::new(node) },
        None => node,
    })
}

fn escape(chars: &mut Peekable<Chars>) -> Result<Node, String> {
    match chars.next() {
        Some('d') => Ok(Node::Class { negated: false, ranges: vec![(b'0', b'9')] }),
        Some(c) if c.is_ascii_punctuation() => Ok(Node::Byte(c as u8)),
        other => Err(format!("\\{other:?} is not supported")),
    }
}

fn class(chars: &mut Peekable<Chars>) -> Result<Node, String> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match chars.next() {
            Some(']') => break,
            Some(c) if c.is_ascii() && c != '\\' && c != '[' => c,
            other => return Err(format!("{other:?} in a class is not supported")),
        };
        let mut high = low;
        if chars.peek() == Some(&'-') {
            chars.next();
            match chars.peek() {
                Some(']') => ranges.push((b'-', b'-')),
                Some(&c) if c.is_ascii_alphanumeric() => {
                    high = c;
                    chars.next();
                }
                other => return Err(format!("range up to {other:?} is not supported")),
            }
        }
        ranges.push((low as u8, high as u8));
    }
    Ok(Node::Class { negated, ranges })
}

fn emit(node: &Node, code: &mut Vec<String>) {
    match node {
        Node::Byte(byte) => code.push(format!("Inst::Byte({byte})")),
        Node::Any => code.push("Inst::Class { negated: true, ranges: &[(10, 10)] }".to_owned()),
        Node::Start => code.push("Inst::Start".to_owned()),
        Node::End => code.push("Inst::End".to_owned()),
        Node::Class { negated, ranges } => {
            code.push(format!("Inst::Class {{ negated: {negated}, ranges: &{ranges:?} }}"));
        }
        Node::Sequence(nodes) => nodes.iter().for_each(|node| emit(node, code)),
        Node::Either(ways) => emit_either(ways, code),
        Node::Repeat { node, min, max } => {
            (0..*min).for_each(|_| emit(node, code));
            match max {
                Some(max) => emit_optional(node, max.saturating_sub(*min), code),
                None => emit_star(node, code),
            }
        }
        Node::Look { negative, node } => {
            let mut body = Vec::new();
            emit(node, &mut body);
            body.push("Inst::Match".to_owned());
            code.push(format!("Inst::Look {{ negative: {negative}, length: {} }}", body.len()));
            code.append(&mut body);
        }
    }
}

/// Jumps are relative to the instruction that makes them, so that parts can be compiled on their own.
fn emit_either(ways: &[Node], code: &mut Vec<String>) {
    let Some((first, rest)) = ways.split_first() else { return };
    let mut one = Vec::new();
    emit(first, &mut one);
    if rest.is_empty() {
        code.append(&mut one);
        return;
    }
    let mut other = Vec::new();
    emit_either(rest, &mut other);
    code.push(format!("Inst::Split(1, {})", one.len() + 2));
    code.append(&mut one);
    code.push(format!("Inst::Jump({})", other.len() + 1));
    code.append(&mut other);
}

fn emit_optional(node: &Node, times: usize, code: &mut Vec<String>) {
    if times == 0 {
        return;
    }
    let mut body = Vec::new();
    emit(node, &mut body);
    emit_optional(node, times - 1, &mut body);
    code.push(format!("Inst::Split(1, {})", body.len() + 1));
    code.append(&mut body);
}

fn emit_star(node: &Node, code: &mut Vec<String>) {
    let mut body = Vec::new();
    emit(node, &mut body);
    let length = body.len();
    code.push(format!("Inst::Split(1, {})", length + 2));
    code.append(&mut body);
    code.push(format!("Inst::Jump(-{})", length + 1));
}
