//! Keyed, one-way names for people, conversations, sessions and events.
//!
//! A key can be made from a MAC or read back from storage. It cannot be made from a raw id: there is no such function,
//! and the text form is refused unless it is a key id followed by exactly 128 bits.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a key names. The kind is hashed with the id, so that equal raw ids of different kinds have unrelated keys.
pub trait KeyKind {
    /// Domain separator of the MAC.
    const NAME: &'static str;
}

macro_rules! key_kind {
    ($(#[$doc:meta])* $kind:ident, $alias:ident, $name:literal) => {
        /// Marker.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $kind;
        impl KeyKind for $kind {
            const NAME: &'static str = $name;
        }
        $(#[$doc])*
        pub type $alias = Key<$kind>;
    };
}

key_kind!(
    /// A person: HMAC of the app's user id.
    User, UserKey, "user"
);
key_kind!(
    /// A conversation: HMAC of the app's conversation id.
    Conversation, ConversationKey, "conversation"
);
key_kind!(
    /// A visit, where the app names its visits: HMAC of the app's session id.
    Session, SessionKey, "session"
);
key_kind!(
    /// An event: HMAC of its idempotency key, or of the event itself where it has none.
    Event, EventKey, "event"
);

key_kind!(
    /// A reply of a model provider: HMAC of the provider's own id of it.
    Reply, ReplyKey, "reply"
);

/// Which secret made a key, so that secrets can be rotated: 0–255, written in the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u8);

/// Bytes of a MAC that a key keeps.
const MAC_BYTES: usize = 16;

/// 128 bits of `HMAC-SHA-256(secret, kind ‖ raw id)` and the id of the secret.
///
/// Text form: `k<key id>_<32 lower-case hex digits>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key<K> {
    key_id: KeyId,
    mac: [u8; MAC_BYTES],
    kind: PhantomData<K>,
}

impl Key<Event> {
    /// The key of the event that follows from this one and can follow only once, such as a price found later: the finaliser of
    /// splitmix64 (Steele, Lea & Flood 2014) over both halves.
    #[must_use]
    pub fn follow_up(&self) -> Self {
        let mix = |half: u64| {
            let mut bits = half.wrapping_add(0x9E37_79B9_7F4A_7C15);
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            bits ^ (bits >> 31)
        };
        let bits = u128::from_be_bytes(self.mac);
        let (first, second) = ((bits >> 64) as u64, bits as u64);
        Self::from_mac(self.key_id, (u128::from(mix(first)) << 64 | u128::from(mix(second))).to_be_bytes())
    }
}

impl<K: KeyKind> Key<K> {
    /// A key from the first 128 bits of its MAC.
    #[must_use]
    pub fn from_mac(key_id: KeyId, mac: [u8; 16]) -> Self {
        Self { key_id, mac, kind: PhantomData }
    }

    /// The key as it is stored in bytes: the number of its secret, then the MAC.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 17] {
        let mut bytes = [self.key_id.0; 17];
        bytes.iter_mut().skip(1).zip(self.mac).for_each(|(to, from)| *to = from);
        bytes
    }

    /// The key of these stored bytes, which [`Key::to_bytes`] made.
    #[must_use]
    pub fn from_bytes([number, mac @ ..]: [u8; 17]) -> Self {
        Self::from_mac(KeyId(number), mac)
    }

    /// Which secret made it.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The first 64 bits of the MAC: for partitioning and for sets of ids already seen.
    #[must_use]
    pub fn prefix(&self) -> u64 {
        self.mac.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }

    fn parse(text: &str) -> Option<Self> {
        let (id, hex) = text.strip_prefix('k')?.split_once('_')?;
        let hex: &[u8; 2 * MAC_BYTES] = hex.as_bytes().try_into().ok()?;
        if id.len() > 3 || !id.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let mut mac = [0; MAC_BYTES];
        for (byte, pair) in mac.iter_mut().zip(hex.as_chunks::<2>().0) {
            let [high, low] = pair.map(hex_value);
            *byte = high? << 4 | low?;
        }
        Some(Self::from_mac(KeyId(id.parse().ok()?), mac))
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl<K> std::fmt::Display for Key<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' - 10 + value };
        let mut hex = [[0; 2]; MAC_BYTES];
        hex.iter_mut().zip(self.mac).for_each(|(pair, byte)| *pair = [digit(byte >> 4), digit(byte & 15)]);
        write!(f, "k{}_{}", self.key_id.0, std::str::from_utf8(hex.as_flattened()).unwrap_or_default())
    }
}

impl<K> Serialize for Key<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: KeyKind> Deserialize<'de> for Key<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor<K>(PhantomData<K>);
        impl<K: KeyKind> de::Visitor<'_> for KeyVisitor<K> {
            type Value = Key<K>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Key<K>, E> {
                Key::parse(text).ok_or_else(|| E::custom("not a key"))
            }
        }
        deserializer.deserialize_str(KeyVisitor(PhantomData))
    }
}

impl<K: KeyKind> JsonSchema for Key<K> {
    fn schema_name() -> Cow<'static, str> {
        Cow::Owned(format!("{}_key", K::NAME))
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^k[0-9]{1,3}_[0-9a-f]{32}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_text_form_is_read_back(mac: [u8; 16], key_id: u8) {
            let key = UserKey::from_mac(KeyId(key_id), mac);
            prop_assert_eq!(UserKey::from_bytes(key.to_bytes()), key);
            let text = serde_json::to_string(&key).unwrap();
            prop_assert_eq!(serde_json::from_str::<UserKey>(&text).unwrap(), key);
        }
    }

    #[test]
    fn a_follow_up_has_one_key() {
        let key = EventKey::from_mac(KeyId(3), *b"0123456789abcdef");
        assert_eq!(key.follow_up().to_string(), "k3_a39fb8656b37f636ad7a481b0e242560");
        assert_ne!(key.follow_up().follow_up(), key.follow_up());
    }

    #[test]
    fn no_raw_id_passes_for_a_key() {
        for raw in [
            "alice",
            "k1_",
            "k1_zz112233445566778899aabbccddeeff",
            "1_00112233445566778899aabbccddeeff",
            "k1_00112233445566778899AABBCCDDEEFF",
            "k1_00112233445566778899aabbccddeeff0",
            "k1_+0112233445566778899aabbccddeeff",
            "k999_00112233445566778899aabbccddeeff",
        ] {
            let error = serde_json::from_str::<UserKey>(&format!("{raw:?}")).unwrap_err().to_string();
            assert!(!error.contains(raw), "{error}");
        }
    }
}
