//! What watches the bytes of a reply as the host moves them.

use js_sys::Promise;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::gateway::Ended;

/// Watches one reply.
pub(super) trait Watch {
    /// The next bytes. `None`: they pass as they are. Else what passes instead.
    fn push(&mut self, bytes: &[u8]) -> Option<Vec<u8>>;
    /// The reply ended: bytes that waited and pass now.
    fn rest(&mut self) -> Vec<u8> {
        Vec::new()
    }
    /// The reply is over; what is left to do.
    fn ended(self: Box<Self>, how: Ended) -> Promise;
}

/// A watch in the host's hands.
#[wasm_bindgen]
pub struct Tap(Box<dyn Watch>);

impl Tap {
    pub(super) fn new(watch: impl Watch + 'static) -> Self {
        Self(Box::new(watch))
    }
}

#[wasm_bindgen]
impl Tap {
    /// See [`Watch::push`].
    pub fn push(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.0.push(bytes)
    }

    /// See [`Watch::rest`].
    pub fn rest(&mut self) -> Option<Vec<u8>> {
        Some(self.0.rest()).filter(|rest| !rest.is_empty())
    }

    /// See [`Watch::ended`]. `how`: `whole`, `broken` or `left`.
    pub fn ended(self, how: &str) -> Promise {
        self.0.ended(match how {
            "whole" => Ended::Whole,
            "left" => Ended::Left,
            _ => Ended::Broken,
        })
    }
}
