//! Runs the patterns that `build/pattern.rs` compiled.
//!
//! Backtracking, as the list's look-ahead demands (no `regex` crate small enough for an isolate has it); bounded, so that
//! no name can hold the Worker up. Works on bytes: names of models are ASCII.

/// One step of a pattern. Offsets are relative to the step itself.
pub(super) enum Inst {
    /// This byte.
    Byte(u8),
    /// One byte in (or not in) these ranges.
    Class { negated: bool, ranges: &'static [(u8, u8)] },
    /// The start of the name.
    Start,
    /// The end of the name.
    End,
    /// Try the first way, then the second.
    Split(i16, i16),
    /// Go on there.
    Jump(i16),
    /// The next `length` steps match here (or don't); the name is not consumed.
    Look { negative: bool, length: i16 },
    /// Found.
    Match,
}

/// Steps spent on one name and pattern; beyond them it does not match. The list's own need a few hundred.
const STEPS_MAX: u32 = 20_000;

/// Is the pattern found anywhere in the name?
pub(super) fn search(code: &[Inst], name: &str) -> bool {
    let mut steps = STEPS_MAX;
    let starts = if matches!(code.first(), Some(Inst::Start)) { 0 } else { name.len() };
    (0..=starts).any(|start| matches_at(code, name.as_bytes(), start, &mut steps))
}

fn matches_at(code: &[Inst], name: &[u8], start: usize, steps: &mut u32) -> bool {
    let mut others: Vec<(usize, usize)> = Vec::new();
    let mut way = Some((0_usize, start));
    while let Some((at, position)) = way {
        *steps = steps.saturating_sub(1);
        let Some(inst) = code.get(at).filter(|_| *steps > 0) else { return false };
        let next = |offset: i16| at.saturating_add_signed(isize::from(offset));
        way = match inst {
            Inst::Match => return true,
            Inst::Byte(byte) => (name.get(position) == Some(byte)).then_some((at + 1, position + 1)),
            Inst::Class { negated, ranges } => name
                .get(position)
                .filter(|byte| ranges.iter().any(|(low, high)| (low..=high).contains(byte)) != *negated)
                .map(|_| (at + 1, position + 1)),
            Inst::Start => (position == 0).then_some((at + 1, position)),
            Inst::End => (position == name.len()).then_some((at + 1, position)),
            Inst::Jump(offset) => Some((next(*offset), position)),
            Inst::Split(first, second) => {
                others.push((next(*second), position));
                Some((next(*first), position))
            }
            Inst::Look { negative, length } => {
                let after = next(*length) + 1;
                let body = code.get(at + 1..after).unwrap_or_default();
                (matches_at(body, name, position, steps) != *negative).then_some((after, position))
            }
        }
        .or_else(|| others.pop());
    }
    false
}

#[cfg(test)]
mod tests {
    use super::Inst::*;
    use super::*;

    #[test]
    fn splits_repeat_and_look_ahead() {
        let a_star_b = [Start, Split(1, 3), Byte(b'a'), Jump(-2), Byte(b'b'), End, Match];
        for (name, found) in [("b", true), ("aaab", true), ("aaa", false), ("aabb", false), ("cab", false)] {
            assert_eq!(search(&a_star_b, name), found, "{name}");
        }
        let no_slash = [Start, Look { negative: true, length: 2 }, Byte(b'/'), Match, Byte(b'x'), Match];
        assert!(search(&no_slash, "xy") && !search(&no_slash, "/x"));
    }

    #[test]
    fn never_runs_away() {
        let (loop_forever, nested) = ([Jump(0), Match], [Split(1, 3), Split(1, 2), Jump(-2), Byte(b'b'), Match]);
        assert!(!search(&loop_forever, "a"));
        assert!(!search(&nested, &"a".repeat(128)));
    }
}
