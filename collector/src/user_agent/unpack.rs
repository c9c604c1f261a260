//! Packed patterns → what the machine runs: ways get their lengths and jumps, ways and loops their marks.

use super::code;
use super::machine::number;

/// Unpacks a pattern onto the end of `code`. `None` when it is not whole.
pub(super) fn unpack(packed: &[u8], code: &mut Vec<u8>) -> Option<()> {
    let mut open: Vec<Ways> = Vec::new();
    let mut marks = 0u8;
    let mut mark = || {
        marks = marks.wrapping_add(1);
        marks.wrapping_sub(1)
    };
    let mut at = 0;
    loop {
        let op = *packed.get(at)?;
        let operands = match op {
            code::BYTE | code::FOLD | code::ANY | code::SOME => 1,
            code::GREEDY | code::LAZY => 4,
            _ => 0,
        };
        let taken = packed.get(at..=at + operands)?;
        at += operands + 1;
        match op {
            code::EITHER => {
                let start = code.len();
                code.extend([code::EITHER, mark()]);
                open.push(Ways { start, length: hole(code), jump: 0 });
            }
            code::NEXT | code::DONE => {
                let ways = open.last_mut()?;
                code.push(code::JUMP);
                // Until its end is known, a jump holds where the one before it is.
                let before = u16::try_from(ways.jump).ok()?;
                ways.jump = code.len();
                code.extend(before.to_le_bytes());
                fill(code, ways.length)?;
                if op == code::NEXT {
                    ways.length = hole(code);
                } else {
                    code.extend([0, 0]);
                    let mut jump = open.pop()?.jump;
                    while jump != 0 {
                        let before = number(code, jump)?;
                        fill(code, jump)?;
                        jump = before;
                    }
                }
            }
            code::AGAIN => {
                let ways = open.last_mut()?;
                code.push(code::BACK);
                let distance = u16::try_from(code.len() + 2 - ways.start).ok()?;
                code.extend(distance.to_le_bytes());
                fill(code, ways.length)?;
                ways.length = hole(code);
            }
            code::GREEDY | code::LAZY | code::ANY | code::SOME => {
                code.extend([op, mark()]);
                code.extend(taken.get(1..)?);
            }
            _ => code.extend(taken),
        }
        if op == code::MATCH {
            return open.is_empty().then_some(());
        }
    }
}

/// Ways whose end has not come: where they began, where the present one's length goes, and where the last jump to the end is.
struct Ways {
    start: usize,
    length: usize,
    jump: usize,
}

fn hole(code: &mut Vec<u8>) -> usize {
    code.extend([0, 0]);
    code.len() - 2
}

/// Writes the distance from behind the hole to the end.
fn fill(code: &mut [u8], hole: usize) -> Option<()> {
    let distance = u16::try_from(code.len() - hole - 2).ok()?;
    code.get_mut(hole..hole + 2)?.copy_from_slice(&distance.to_le_bytes());
    Some(())
}

/// What a match of unpacked code begins with, as [`code`] has it.
pub(super) fn begins(unpacked: &[u8]) -> u8 {
    let mut ops = unpacked.iter().skip_while(|op| (code::SAVE..code::SAVE + code::SLOTS as u8).contains(op));
    match ops.next() {
        Some(literal @ code::FIRST_LITERAL..=code::LAST_LITERAL) => *literal,
        Some(&code::START) => code::BEGINS_AT_START,
        _ => code::BEGINS_ANYHOW,
    }
}
