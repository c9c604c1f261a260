//! How packed lists write their numbers and texts.

/// Writes a number in as many bytes as it needs (LEB128).
pub fn unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 128 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a text behind its length.
pub fn text(out: &mut Vec<u8>, text: &str) {
    unsigned(out, text.len() as u64);
    out.extend(text.bytes());
}
