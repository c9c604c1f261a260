//! Regular expressions → the byte code of `src/user_agent/code.rs`.

use std::collections::BTreeSet;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use crate::code;

/// Bytes of a class. Those above ASCII are all in it or none, and stand for every character outside ASCII.
pub type Set = BTreeSet<u8>;

/// Classes of characters that patterns share.
#[derive(Default)]
pub struct Classes(Vec<[u8; code::CLASS_BYTES]>);

impl Classes {
    fn find(&mut self, set: &Set) -> Result<u8, String> {
        let others = (0x80..=u8::MAX).filter(|byte| set.contains(byte)).count();
        if others != 0 && others != 0x80 {
            return Err("a class that holds some characters outside ASCII and not others".to_owned());
        }
        let mut class = [0; code::CLASS_BYTES];
        for (bits, first) in class.iter_mut().zip((0..=0x80u8).step_by(8)) {
            *bits = (0..8).filter(|bit| set.contains(&(first + bit))).fold(0, |bits, bit| bits | 1 << bit);
        }
        // One bit for all others.
        if let Some(last) = class.last_mut() {
            *last &= 1;
        }
        let known = self.0.iter().position(|known| *known == class);
        let index = known.unwrap_or_else(|| {
            self.0.push(class);
            self.0.len() - 1
        });
        u8::try_from(index)
            .ok()
            .and_then(|index| index.checked_add(code::CLASS))
            .ok_or_else(|| "more classes than the code can name".to_owned())
    }

    /// The classes as bytes, their number first.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.0.len() as u8];
        bytes.extend(self.0.iter().flatten());
        bytes
    }
}

/// A pattern as the parser sees it: bytes, ASCII classes.
///
/// # Errors
/// What the parser says.
pub fn parse(pattern: &str) -> Result<Hir, String> {
    let mut parser = ParserBuilder::new().utf8(false).unicode(false).build();
    parser.parse(pattern).map_err(|error| error.to_string())
}

/// Compiles a pattern.
///
/// # Errors
/// Names the construct that the machine lacks.
pub fn compile(pattern: &Hir, classes: &mut Classes) -> Result<Vec<u8>, String> {
    let mut compiler = Compiler { code: Vec::new(), classes };
    compiler.emit(pattern)?;
    compiler.code.push(code::MATCH);
    if compiler.code.len() > usize::from(code::GRAM_WRITTEN) {
        return Err("the pattern is too long".to_owned());
    }
    Ok(compiler.code)
}

struct Compiler<'a> {
    code: Vec<u8>,
    classes: &'a mut Classes,
}

impl Compiler<'_> {
    fn emit(&mut self, hir: &Hir) -> Result<(), String> {
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) => literal.0.iter().for_each(|byte| self.byte(*byte)),
            HirKind::Class(class) => self.class(&set_of(class)?)?,
            HirKind::Look(Look::Start) => self.code.push(code::START),
            HirKind::Look(Look::End) => self.code.push(code::END),
            HirKind::Look(Look::WordAscii) => self.code.push(code::WORD),
            HirKind::Look(Look::WordAsciiNegate) => self.code.push(code::NOT_WORD),
            HirKind::Look(other) => return Err(format!("{other:?} is not supported")),
            HirKind::Repetition(repetition) => self.repeat(repetition)?,
            HirKind::Capture(capture) => {
                let slot = (capture.index as usize - 1) * 2;
                let kept = slot < code::SLOTS;
                if kept {
                    self.code.push(code::SAVE + slot as u8);
                }
                self.emit(&capture.sub)?;
                if kept {
                    self.code.push(code::SAVE + slot as u8 + 1);
                }
            }
            HirKind::Concat(parts) => parts.iter().try_for_each(|part| self.emit(part))?,
            HirKind::Alternation(ways) => {
                let ways = ways.iter().map(Some).collect::<Vec<_>>();
                self.either(&ways)?;
            }
        }
        Ok(())
    }

    fn byte(&mut self, byte: u8) {
        if !(code::FIRST_LITERAL..=code::LAST_LITERAL).contains(&byte) {
            self.code.push(code::BYTE);
        }
        self.code.push(byte);
    }

    fn class(&mut self, set: &Set) -> Result<(), String> {
        let members: Vec<u8> = set.iter().copied().collect();
        match members[..] {
            [byte] => self.byte(byte),
            [upper, lower] if upper.is_ascii_uppercase() && lower == upper.to_ascii_lowercase() => {
                self.code.extend([code::FOLD, lower]);
            }
            _ => {
                let class = self.classes.find(set)?;
                self.code.push(class);
            }
        }
        Ok(())
    }

    /// `None` is the way of nothing.
    fn either(&mut self, ways: &[Option<&Hir>]) -> Result<(), String> {
        self.code.push(code::EITHER);
        for (number, way) in ways.iter().enumerate() {
            if let Some(way) = way {
                self.emit(way)?;
            }
            self.code.push(if number + 1 < ways.len() { code::NEXT } else { code::DONE });
        }
        Ok(())
    }

    fn repeat(&mut self, repetition: &Repetition) -> Result<(), String> {
        if let Some(set) = one_character(&repetition.sub)? {
            let class = self.classes.find(&set)?;
            match (repetition.greedy, repetition.min, repetition.max) {
                (true, 0, None) => self.code.extend([code::ANY, class]),
                (true, 1, None) => self.code.extend([code::SOME, class]),
                (greedy, min, max) => {
                    let least = u8::try_from(min).map_err(|_| "a repetition of more than 255 at least")?;
                    let most = max.map_or(Ok(code::NO_LIMIT), u16::try_from).map_err(|_| "a repetition too long")?;
                    self.code.extend([if greedy { code::GREEDY } else { code::LAZY }, class, least]);
                    self.code.extend(most.to_le_bytes());
                }
            }
            return Ok(());
        }
        for _ in 0..repetition.min {
            self.emit(&repetition.sub)?;
        }
        match repetition.max {
            Some(max) => self.optional(repetition, max.saturating_sub(repetition.min)),
            None => self.star(repetition),
        }
    }

    fn optional(&mut self, repetition: &Repetition, times: u32) -> Result<(), String> {
        if times == 0 {
            return Ok(());
        }
        let rest = Repetition { min: 0, max: Some(times - 1), ..repetition.clone() };
        let once = Hir::concat(vec![(*repetition.sub).clone(), Hir::repetition(rest)]);
        let ways = if repetition.greedy { [Some(&once), None] } else { [None, Some(&once)] };
        self.either(&ways)
    }

    fn star(&mut self, repetition: &Repetition) -> Result<(), String> {
        if !repetition.greedy {
            return Err("a group that repeats as seldom as will do".to_owned());
        }
        self.code.push(code::EITHER);
        self.emit(&repetition.sub)?;
        self.code.extend([code::AGAIN, code::DONE]);
        Ok(())
    }
}

fn one_character(hir: &Hir) -> Result<Option<Set>, String> {
    match hir.kind() {
        HirKind::Literal(literal) => match literal.0[..] {
            [byte] if byte.is_ascii() => Ok(Some(Set::from([byte]))),
            _ => Ok(None),
        },
        HirKind::Class(class) => set_of(class).map(Some),
        _ => Ok(None),
    }
}

/// The bytes of a class.
///
/// # Errors
/// Of a class of characters that are not bytes.
pub fn set_of(class: &Class) -> Result<Set, String> {
    match class {
        Class::Bytes(class) => Ok(class.ranges().iter().flat_map(|range| range.start()..=range.end()).collect()),
        // Made of alternatives of one character each.
        Class::Unicode(class) => {
            let characters = class.ranges().iter().flat_map(|range| [range.start(), range.end()]);
            if !characters.clone().all(|character| character.is_ascii()) {
                return Err("a class of characters outside ASCII".to_owned());
            }
            Ok(class.ranges().iter().flat_map(|range| range.start() as u8..=range.end() as u8).collect())
        }
    }
}
