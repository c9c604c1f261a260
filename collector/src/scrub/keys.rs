//! Keyed, one-way names.

use hmac::{Hmac, KeyInit, Mac};
use schemas::KeyId;
use schemas::ids::{self, Key, KeyKind};
use schemas::wire::Raw;
use sha2::Sha256;

/// Fewest bytes of the secret: 128 bits as hex.
pub const SECRET_BYTES_MIN: usize = 32;

/// Makes keys with one secret. Cloning the prepared state saves hashing the secret for each key.
#[derive(Clone)]
pub struct Keyring {
    secret: Secret,
    /// The secret before this one, while it is being replaced.
    previous: Option<Secret>,
    /// What leads to Shards, where it is not the secret itself.
    home: Option<Secret>,
}

#[derive(Clone)]
struct Secret {
    id: KeyId,
    state: Hmac<Sha256>,
}

/// The secrets that are configured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Secrets<'a> {
    /// `SAGE_UID_SALT`: makes keys.
    pub salt: Option<&'a str>,
    /// `SAGE_UID_SALT_ID`: its number, 1–255, written in each key; 1 where it is not set.
    pub salt_id: Option<&'a str>,
    /// `SAGE_UID_SALT_PREVIOUS`: the one before, with the number before.
    pub previous: Option<&'a str>,
    /// `SAGE_HOME_SALT`: leads people to their Shard, and is never replaced.
    pub home: Option<&'a str>,
    /// How many Shards there are.
    pub shards: u32,
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
    /// Its number is none.
    #[error("SAGE_UID_SALT_ID must be a number from 1 to 255, one more than that of SAGE_UID_SALT_PREVIOUS")]
    Id,
    /// The secret before it can't be used.
    #[error("SAGE_UID_SALT_PREVIOUS must be the secret that was in use before, and another one than SAGE_UID_SALT")]
    Previous,
    /// People would be led to other Shards by another secret.
    #[error(
        "with more than one Shard, set SAGE_HOME_SALT to the first SAGE_UID_SALT that was in use before you replace it, and leave it set"
    )]
    Home,
}

/// The last ids of a batch and their keys: events that follow one another are often of one person. Forgotten once all are taken.
#[derive(Default)]
pub struct LastIds {
    pub(super) user: LastId<ids::User>,
    pub(super) conversation: LastId<ids::Conversation>,
    pub(super) session: LastId<ids::Session>,
}

impl std::fmt::Debug for LastIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastIds")
    }
}

/// The last id of a kind and its key.
pub(super) struct LastId<K>(Option<(Raw, Key<K>)>);

impl<K> Default for LastId<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: KeyKind + Copy> LastId<K> {
    /// [`Keyring::key`].
    pub(super) fn key(&mut self, raw: Raw, keys: &Keyring) -> Key<K> {
        match &self.0 {
            Some((last, key)) if last.expose() == raw.expose() => *key,
            _ => {
                let key = keys.key(&raw);
                self.0 = Some((raw, key));
                key
            }
        }
    }
}

impl Secret {
    fn new(secret: &str, id: u8) -> Option<Self> {
        let state = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
        (secret.len() >= SECRET_BYTES_MIN).then_some(Self { id: KeyId(id), state })
    }

    fn key<K: KeyKind>(&self, raw: &Raw) -> Key<K> {
        Key::from_mac(self.id, self.mac(K::NAME, raw.expose().as_bytes()))
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

impl Keyring {
    /// A keyring of the configured secret.
    ///
    /// # Errors
    /// When there is no secret or it is too short. Ids must then be refused, not stored.
    pub fn new(secret: Option<&str>) -> Result<Self, KeyringError> {
        Self::of(&Secrets { salt: secret, shards: 1, ..Secrets::default() })
    }

    /// A keyring of the configured secrets.
    ///
    /// # Errors
    /// When one of them is missing, too short, or does not fit the others. Ids must then be refused, not stored.
    pub fn of(secrets: &Secrets<'_>) -> Result<Self, KeyringError> {
        let set = |secret: Option<&'_ str>| secret.filter(|secret| !secret.is_empty()).map(str::to_owned);
        let salt = set(secrets.salt).ok_or(KeyringError::Missing)?;
        let id = set(secrets.salt_id).map_or(Some(1), |id| id.parse::<u8>().ok());
        let id = id.filter(|id| *id > 0).ok_or(KeyringError::Id)?;
        let secret = Secret::new(&salt, id).ok_or(KeyringError::TooShort)?;
        let previous = match set(secrets.previous) {
            None => None,
            Some(previous) if previous == salt => return Err(KeyringError::Previous),
            Some(previous) => {
                let id = id.checked_sub(1).filter(|id| *id > 0).ok_or(KeyringError::Id)?;
                Some(Secret::new(&previous, id).ok_or(KeyringError::Previous)?)
            }
        };
        let home = set(secrets.home).filter(|home| *home != salt);
        if secrets.shards > 1 && (previous.is_some() || id > 1) && set(secrets.home).is_none() {
            return Err(KeyringError::Home);
        }
        let home = home.map(|home| Secret::new(&home, 0).ok_or(KeyringError::Home)).transpose()?;
        Ok(Self { secret, previous, home })
    }

    /// `HMAC-SHA-256(secret, kind ‖ 0 ‖ raw id)`, its first 128 bits.
    #[must_use]
    pub fn key<K: KeyKind>(&self, raw: &Raw) -> Key<K> {
        self.secret.key(raw)
    }

    /// The key that the secret before this one made, while it holds.
    #[must_use]
    pub fn previous_key<K: KeyKind>(&self, raw: &Raw) -> Option<Key<K>> {
        self.previous.as_ref().map(|secret| secret.key(raw))
    }

    fn home<K: KeyKind>(&self, raw: &Raw) -> Option<u64> {
        self.home.as_ref().map(|secret| secret.key::<K>(raw).prefix())
    }

    /// What leads to the Shard of an event that belongs to these, or else is named by `event`, where it is not the key: in the
    /// order of [`schemas::event::Belonging::bits`].
    #[must_use]
    pub fn home_of(
        &self,
        user: Option<&Raw>,
        session: Option<&Raw>,
        conversation: Option<&Raw>,
        event: Option<&Raw>,
    ) -> Option<u64> {
        match (user, session, conversation, event) {
            (Some(raw), ..) => self.home::<ids::User>(raw),
            (None, Some(raw), ..) => self.home::<ids::Session>(raw),
            (None, None, Some(raw), _) => self.home::<ids::Conversation>(raw),
            (None, None, None, event) => event.and_then(|raw| self.home::<ids::Event>(raw)),
        }
    }

    /// The key of an event that has no id: of its own bytes.
    #[must_use]
    pub fn key_of_content<K: KeyKind>(&self, content: &str) -> Key<K> {
        Key::from_mac(self.secret.id, self.secret.mac("content", content.as_bytes()))
    }

    /// The key that the secret before this one made of an event that has no id, while it holds.
    #[must_use]
    pub fn previous_key_of_content<K: KeyKind>(&self, content: &str) -> Option<Key<K>> {
        let previous = self.previous.as_ref();
        previous.map(|secret| Key::from_mac(secret.id, secret.mac("content", content.as_bytes())))
    }

    /// What leads to the Shard of an event that has no id and belongs to no one, where it is not its key.
    #[must_use]
    pub fn home_of_content(&self, content: &str) -> Option<u64> {
        let home = self.home.as_ref();
        home.map(|secret| Key::<ids::Event>::from_mac(secret.id, secret.mac("content", content.as_bytes())).prefix())
    }

    /// 64 bits that say only whether two texts are equal: 16 hex digits.
    #[must_use]
    pub fn digest(&self, kind: &str, text: &str) -> String {
        let bits =
            self.secret.mac(kind, text.as_bytes()).iter().take(8).fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        format!("{bits:016x}")
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

    #[test]
    fn a_secret_is_replaced_by_one_with_the_next_number() {
        const NEXT: &str = "fedcba9876543210fedcba9876543210";
        let alice = Raw::new("alice");
        let old = Keyring::new(Some(SECRET)).unwrap();
        let turning = Secrets { salt: Some(NEXT), salt_id: Some("2"), previous: Some(SECRET), home: None, shards: 1 };
        let both = Keyring::of(&turning).unwrap();
        let (was, is): (UserKey, UserKey) = (old.key(&alice), both.key(&alice));
        assert_eq!(both.previous_key(&alice), Some(was));
        assert!(is.to_string().starts_with("k2_") && is != was);
        let retired = Keyring::of(&Secrets { previous: None, ..turning }).unwrap();
        assert_eq!((retired.key(&alice), retired.previous_key::<schemas::ids::User>(&alice)), (is, None));
        for (secrets, error) in [
            (Secrets { salt_id: None, ..turning }, KeyringError::Id),
            (Secrets { salt_id: Some("256"), ..turning }, KeyringError::Id),
            (Secrets { salt_id: Some("0"), previous: None, ..turning }, KeyringError::Id),
            (Secrets { previous: Some(NEXT), ..turning }, KeyringError::Previous),
            (Secrets { previous: Some("short"), ..turning }, KeyringError::Previous),
            (Secrets { shards: 4, ..turning }, KeyringError::Home),
            (Secrets { shards: 4, previous: None, ..turning }, KeyringError::Home),
            (Secrets { shards: 4, home: Some("short"), ..turning }, KeyringError::Home),
        ] {
            assert_eq!(Keyring::of(&secrets).err(), Some(error), "{secrets:?}");
        }
    }

    #[test]
    fn a_key_does_not_depend_on_the_id_before() {
        let keys = Keyring::new(Some(SECRET)).unwrap();
        let mut last = LastIds::default();
        for raw in ["alice", "alice", "bob", "alice", "alicf", "bob", "bob"] {
            assert_eq!(last.user.key(Raw::new(raw), &keys), keys.key(&Raw::new(raw)));
            assert_eq!(last.session.key(Raw::new(raw), &keys), keys.key(&Raw::new(raw)));
        }
        assert_eq!(format!("{last:?}"), "LastIds");
    }

    #[test]
    fn whoever_is_led_home_stays_there() {
        const NEXT: &str = "fedcba9876543210fedcba9876543210";
        let alice = Raw::new("alice");
        let first = Keyring::of(&Secrets { salt: Some(SECRET), shards: 4, ..Secrets::default() }).unwrap();
        let turned =
            Secrets { salt: Some(NEXT), salt_id: Some("2"), previous: Some(SECRET), home: Some(SECRET), shards: 4 };
        let turned = Keyring::of(&turned).unwrap();
        let before: UserKey = first.key(&alice);
        assert_eq!(first.home::<schemas::ids::User>(&alice), None);
        assert_eq!(turned.home::<schemas::ids::User>(&alice), Some(before.prefix()));
    }
}
