//! R2 as the exporter's object store.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use exporter::{Listing, Object, ObjectInfo, ObjectStore, PutNew, Sha256, StoreError};
use futures_util::future::{Either, select};
use worker::{Bucket, Conditional, Delay, HttpMetadata};

/// Longest wait for one operation, milliseconds.
const OPERATION_MS_MAX: u64 = 20_000;
/// Custom metadata that holds the digest, hex.
const SHA256: &str = "sha256";

/// A bucket.
pub(super) struct R2(pub Bucket);

/// Whatever R2 says, trying again later is the remedy; what it says may quote a key, which holds nothing personal.
async fn bounded<T>(work: impl Future<Output = worker::Result<T>>) -> Result<T, StoreError> {
    let limit = Box::pin(Delay::from(Duration::from_millis(OPERATION_MS_MAX)));
    match select(Box::pin(work), limit).await {
        Either::Left((Ok(value), _)) => Ok(value),
        Either::Left((Err(_), _)) => Err(StoreError::Retry("R2 failed".into())),
        Either::Right(_) => Err(StoreError::Retry(format!("no answer of R2 in {OPERATION_MS_MAX} ms"))),
    }
}

impl R2 {
    async fn put_if(&self, object: &Object<'_>, only_if: Option<Conditional>) -> Result<bool, StoreError> {
        let metadata = HashMap::from([(SHA256.to_owned(), object.sha256.to_string())]);
        let http = HttpMetadata { content_type: Some(object.content_type.to_owned()), ..HttpMetadata::default() };
        let put = self.0.put(object.key, object.body.to_vec()).custom_metadata(metadata).http_metadata(http);
        let put = put.sha256(object.sha256.as_bytes().to_vec());
        let put = match only_if {
            Some(condition) => put.only_if(condition),
            None => put,
        };
        Ok(bounded(put.execute()).await?.is_some())
    }
}

fn info(object: &worker::Object) -> ObjectInfo {
    let metadata = object.custom_metadata().unwrap_or_default();
    ObjectInfo {
        key: object.key(),
        bytes: object.size(),
        sha256: metadata.get(SHA256).and_then(|hex| Sha256::parse(hex)),
    }
}

impl ObjectStore for R2 {
    async fn put_new(&self, object: &Object<'_>) -> Result<PutNew, StoreError> {
        let absent = Conditional { etag_does_not_match: Some("*".into()), ..Conditional::default() };
        if self.put_if(object, Some(absent)).await? {
            return Ok(PutNew::Created);
        }
        match self.head(object.key).await? {
            Some(found) => Ok(PutNew::Exists(found)),
            None => Err(StoreError::Retry("an object came and went".into())),
        }
    }

    async fn put(&self, object: &Object<'_>) -> Result<(), StoreError> {
        self.put_if(object, None).await.map(drop)
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, StoreError> {
        Ok(bounded(self.0.head(key)).await?.as_ref().map(info))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(object) = bounded(self.0.get(key).execute()).await? else { return Ok(None) };
        match object.body() {
            Some(body) => bounded(body.bytes()).await.map(Some),
            None => Ok(None),
        }
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        let list = self.0.list().prefix(prefix);
        let list = match after {
            Some(after) => list.start_after(after),
            None => list,
        };
        let found = bounded(list.execute()).await?;
        Ok(Listing { keys: found.objects().iter().map(worker::Object::key).collect(), more: found.truncated() })
    }

    async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        bounded(self.0.delete_multiple(keys.to_vec())).await
    }
}
