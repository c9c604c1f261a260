//! Objects of the lake, and how one comes to stand exactly once.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Digest;

use crate::error::{ExportError, StoreError};

/// A bucket. Keys are `/`-separated, listing is in the order of bytes.
///
/// This is the seam for other stores: R2's implementation lives in the aggregator's runtime shell (`put` with `onlyIf:
/// {etagDoesNotMatch: "*"}` for [`put_new`](Self::put_new), `sha256` both as R2's own checksum and as custom metadata).
/// An S3 one would sit beside it: requests signed by `rusty-s3`, `If-None-Match: *`, `x-amz-meta-sha256`; 412 is
/// [`PutNew::Exists`], 409, 429 and 5xx are [`StoreError::Retry`], other 4xx [`StoreError::Reject`].
#[allow(async_fn_in_trait)]
pub trait ObjectStore {
    /// Creates the object unless one of that key stands. *Idempotent*: never changes an object that stands.
    ///
    /// # Errors
    /// After [`StoreError::Retry`] the object may or may not stand.
    async fn put_new(&self, object: &Object<'_>) -> Result<PutNew, StoreError>;

    /// Writes the object whether or not one of that key stands. *Idempotent.*
    ///
    /// # Errors
    /// After [`StoreError::Retry`] the old object, the new one or none may stand.
    async fn put(&self, object: &Object<'_>) -> Result<(), StoreError>;

    /// What stands at `key`, without its bytes.
    ///
    /// # Errors
    /// [`StoreError`]; absence is `None`, not an error.
    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, StoreError>;

    /// The bytes at `key`.
    ///
    /// # Errors
    /// [`StoreError`]; absence is `None`, not an error.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Up to 1,000 keys that start with `prefix` and come after `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError>;

    /// Deletes up to [`DELETE_KEYS_MAX`] objects. *Idempotent*: keys at which nothing stands are fine.
    ///
    /// # Errors
    /// After an error any of them may be gone.
    async fn delete(&self, keys: &[String]) -> Result<(), StoreError>;
}

/// Most keys that R2 and S3 delete in one request.
pub(crate) const DELETE_KEYS_MAX: usize = 1_000;

/// An object to be written.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// Where.
    pub key: &'a str,
    /// What.
    pub body: &'a [u8],
    /// Digest of `body`, to be kept as metadata.
    pub sha256: Sha256,
    /// Media type. There is never a content encoding: readers would unpack `.gz` files twice.
    pub content_type: &'static str,
}

/// What stands in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Where.
    pub key: String,
    /// Length of the body.
    pub bytes: u64,
    /// The digest that was given when it was written; `None` when it was written by someone else.
    pub sha256: Option<Sha256>,
}

/// What became of a [`ObjectStore::put_new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutNew {
    /// The object stands now.
    Created,
    /// An object stood there before, and still does.
    Exists(ObjectInfo),
}

/// A page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of bytes.
    pub keys: Vec<String>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// A SHA-256 digest; as text 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Reads the text form. `None` when it is not one.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let half = |part: &str| u128::from_str_radix(part, 16).ok();
        let (high, low) = (half(hex.get(..32)?)?, half(hex.get(32..)?)?);
        let mut digest = [0; 32];
        let bytes = high.to_be_bytes().into_iter().chain(low.to_be_bytes());
        digest.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Some(Self(digest))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Display for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(deserializer)?;
        Self::parse(&hex).ok_or_else(|| de::Error::custom("not a sha-256 digest"))
    }
}

/// Which bytes stand after [`publish_once`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    /// Those just built.
    AsBuilt,
    /// Those of the recorded plan, put by an earlier release whose writer made other bytes of the same rows.
    AsPlanned,
}

/// Brings an object to stand, for the first time or again: the one way in which the exporter publishes.
///
/// # Errors
/// [`ExportError::Bug`] when an object of another digest stands there; it is left as it is.
pub(crate) async fn publish_once(
    store: &impl ObjectStore,
    object: &Object<'_>,
    planned: Sha256,
) -> Result<Stands, ExportError> {
    match store.put_new(object).await? {
        PutNew::Created => Ok(Stands::AsBuilt),
        PutNew::Exists(found) if found.sha256 == Some(object.sha256) => Ok(Stands::AsBuilt),
        PutNew::Exists(found) if found.sha256 == Some(planned) => Ok(Stands::AsPlanned),
        PutNew::Exists(found) => Err(ExportError::Bug(format!(
            "{} should have sha256 {} but an object with sha256 {} stands there",
            object.key,
            object.sha256,
            found.sha256.map_or_else(|| "unknown".to_owned(), |digest| digest.to_string()),
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_back() {
        let digest = Sha256::of(b"");
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), hex);
        assert_eq!(Sha256::parse(hex), Some(digest));
        assert_eq!(Sha256::parse(&hex.replace("e3", "+3")), None);
        assert_eq!(Sha256::parse("e3b0"), None);
    }
}
