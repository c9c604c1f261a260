//! Keyed, one-way names.

use hmac::{Hmac, KeyInit, Mac};
use schemas::KeyId;
use schemas::ids::{Key, KeyKind};
use schemas::wire::Raw;
use sha2::Sha256;

/// Fewest bytes of the secret: 128 bits as hex.
pub const SECRET_BYTES_MIN: usize = 32;

/// Makes keys with one secret. Cloning the prepared state saves hashing the secret for each key.
#[derive(Clone)]
pub struct Keyring {
    id: KeyId,
    state: Hmac<Sha256>,
}

/// The secret can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is none.
    #[error(
        "SAGE_UID_SALT is not set; set it with `wrangler secret put SAGE_UID_SALT` (32 characters or more, random)"
    )]
    Missing,
    /// It can be guessed.
    #[error("SAGE_UID_SALT has fewer than 32 characters; set a longer, random one")]
    TooShort,
}

impl Keyring {
    /// A keyring of the configured secret.
    ///
    /// # Errors
    /// When there is no secret or it is too short. Ids must then be refused, not stored.
    pub fn new(secret: Option<&str>) -> Result<Self, KeyringError> {
        let secret = secret.filter(|secret| !secret.is_empty()).ok_or(KeyringError::Missing)?;
        if secret.len() < SECRET_BYTES_MIN {
            return Err(KeyringError::TooShort);
        }
        let state = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| KeyringError::TooShort)?;
        Ok(Self { id: KeyId(1), state })
    }

    /// `HMAC-SHA-256(secret, kind ‖ 0 ‖ raw id)`, its first 128 bits.
    #[must_use]
    pub fn key<K: KeyKind>(&self, raw: &Raw) -> Key<K> {
        Key::from_mac(self.id, self.mac(K::NAME, raw.expose().as_bytes()))
    }

    /// The key of an event that has no id: of its own bytes.
    #[must_use]
    pub fn key_of_content<K: KeyKind>(&self, content: &str) -> Key<K> {
        Key::from_mac(self.id, self.mac("content", content.as_bytes()))
    }

    /// 64 bits that say only whether two texts are equal: 16 hex digits.
    #[must_use]
    pub fn digest(&self, kind: &str, text: &str) -> String {
        let bits = self.mac(kind, text.as_bytes()).iter().take(8).fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        format!("{bits:016x}")
    }

    fn mac(&self, kind: &str, bytes: &[u8]) -> [u8; 16] {
        let mut hmac = self.state.clone();
        hmac.update(kind.as_bytes());
        hmac.update(&[0]);
        hmac.update(bytes);
        let mut first = [0; 16];
        first.iter_mut().zip(hmac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{ConversationKey, UserKey};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_key_is_the_mac_of_kind_and_id() {
        let ring = Keyring::new(Some(SECRET)).unwrap();
        let user: UserKey = ring.key(&Raw::new("alice"));

        assert_eq!(user.to_string(), format!("k1_{}", expected("user\0alice")));
        let conversation: ConversationKey = ring.key(&Raw::new("alice"));
        assert_ne!(user.to_string(), conversation.to_string());
    }

    fn expected(message: &str) -> String {
        use sha2::Digest;
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            block.iter_mut().zip(SECRET.bytes()).for_each(|(b, s)| *b = byte ^ s);
            block
        };
        let inner = Sha256::digest([&pad(0x36)[..], message.as_bytes()].concat());
        let outer = Sha256::digest([&pad(0x5c)[..], &inner[..]].concat());
        outer[..16].iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn a_weak_secret_is_refused() {
        assert_eq!(Keyring::new(None).err(), Some(KeyringError::Missing));
        assert_eq!(Keyring::new(Some("")).err(), Some(KeyringError::Missing));
        assert_eq!(Keyring::new(Some("short")).err(), Some(KeyringError::TooShort));
    }
}
