//! Packs the Public Suffix List into a tree of labels, read from the top-level domain down.
//!
//! A node is a byte (the label's length; 64: a rule ends here; 128: labels follow), the label, and where labels follow the
//! length of all of them in LEB128, so that a reader steps over what it is not looking for. Rules written in Unicode are turned into
//! Punycode, as hosts arrive. A wildcard is the label `*`, an exception begins with `!`. Ahead of the tree stand 129 offsets into it
//! (32 bits, little-endian): where top-level domains begin whose first byte is 0, 1, 2 … 127, and where the tree ends.

use std::collections::BTreeMap;

use crate::leb128::unsigned;

const ENDS: u8 = 64;
const FOLLOWED: u8 = 128;

#[derive(Default)]
struct Node {
    ends: bool,
    below: BTreeMap<String, Node>,
}

/// The packed tree of a list.
///
/// # Errors
/// Names the line of a rule that can't be packed.
pub fn pack(list: &str) -> Result<Vec<u8>, String> {
    let mut root = Node::default();
    for (number, line) in list.lines().enumerate() {
        let rule = line.split_whitespace().next().unwrap_or_default();
        if rule.is_empty() || rule.starts_with("//") {
            continue;
        }
        let wrong = || format!("public_suffix_list.dat, line {}: not a rule that can be packed", number + 1);
        let (exception, name) = rule.strip_prefix('!').map_or((false, rule), |name| (true, name));
        let labels: Vec<&str> = name.split('.').collect();
        let mut node = &mut root;
        for (at, label) in labels.iter().enumerate().rev() {
            let label = ascii(label).ok_or_else(wrong)?;
            // A wildcard anywhere but in front would be a pattern that the tree has no way to follow.
            if label == "*" && at > 0 {
                return Err(wrong());
            }
            let label = if exception && at == 0 { format!("!{label}") } else { label };
            node = node.below.entry(label).or_default();
        }
        node.ends = true;
    }
    if root.below.contains_key("*") {
        return Err("public_suffix_list.dat: a rule for all top-level domains can't be packed".into());
    }
    let mut tree = Vec::new();
    let mut ends = [0_u32; 129];
    for (label, node) in &root.below {
        write(label, node, &mut tree);
        let first = label.bytes().next().map_or(0, usize::from);
        ends.iter_mut().skip(first + 1).for_each(|end| *end = tree.len() as u32);
    }
    let mut bytes: Vec<u8> = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
    bytes.extend(tree);
    Ok(bytes)
}

fn ascii(label: &str) -> Option<String> {
    let lower = label.to_lowercase();
    let label = if lower.is_ascii() { lower } else { format!("xn--{}", idna::punycode::encode_str(&lower)?) };
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (label == "*" || (1..ENDS as usize).contains(&(label.len() + 1)) && label.bytes().all(letters)).then_some(label)
}

fn write(label: &str, node: &Node, bytes: &mut Vec<u8>) {
    let marks = if node.ends { ENDS } else { 0 } | if node.below.is_empty() { 0 } else { FOLLOWED };
    bytes.push(label.len() as u8 | marks);
    bytes.extend(label.bytes());
    if !node.below.is_empty() {
        let mut below = Vec::new();
        node.below.iter().for_each(|(label, node)| write(label, node, &mut below));
        unsigned(bytes, below.len() as u64);
        bytes.extend(below);
    }
}
