//! Ids in paths.

use schemas::wire::Raw;

/// Most bytes of an id in a path, decoded.
const ID_BYTES_MAX: usize = 1_024;

/// The raw id that ends a path, percent-decoded.
///
/// # Errors
/// What is wrong with it, where it is empty, too long or not UTF-8.
pub fn raw_id(encoded: &str) -> Result<Raw, &'static str> {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err("a % in the path is not followed by two hex digits; percent-encode the id");
        };
        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    match String::from_utf8(bytes) {
        Ok(id) if id.is_empty() => Err("the path ends without an id; send /sage/v1/users/{id}"),
        Ok(id) if id.len() > ID_BYTES_MAX => Err("the id is longer than 1024 bytes"),
        Ok(id) => Ok(Raw::new(&id)),
        Err(_) => Err("the id is not UTF-8; percent-encode its bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_in_paths() {
        for (path, id) in [("alice", "alice"), ("a%2Fb%20c%40x.org", "a/b c@x.org"), ("%C3%BC", "ü"), ("a+b", "a+b")] {
            assert_eq!(raw_id(path).unwrap().expose(), id);
        }
        let long = "x".repeat(1_025);
        for path in ["", "%", "%4", "%zz", "%FF", long.as_str()] {
            assert!(raw_id(path).is_err(), "{path}");
        }
    }
}
