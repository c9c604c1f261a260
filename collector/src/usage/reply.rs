//! interim
use super::{Api, ReadError, UsageStream, read_usage_as};
use schemas::event::PriceContext;
use schemas::wire::Raw;
use schemas::{Label, Usage};
use serde_json::Value;
/// r
pub struct Reply {
    /// u
    pub usage: Option<Usage>,
    /// p
    pub partial: bool,
    /// m
    pub model: Option<Label>,
    /// r
    pub response_id: Option<Raw>,
    /// c
    pub price_context: PriceContext,
    /// s
    pub stopped: Option<Stop>,
}
/// s
pub enum Stop {
    /// c
    Complete,
    /// f
    Filtered,
    /// l
    Length,
    /// e
    Error(Option<Label>),
}
/// f
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// s
    Sse,
    /// a
    Aws,
    /// n
    Ndjson,
    /// j
    Json,
}
impl Framing {
    /// o
    pub fn of_content_type(t: &str) -> Option<Self> {
        match t.split(';').next().unwrap_or_default().trim() {
            "text/event-stream" => Some(Self::Sse),
            "application/json" => Some(Self::Json),
            "application/x-ndjson" => Some(Self::Ndjson),
            "application/vnd.amazon.eventstream" => Some(Self::Aws),
            _ => None,
        }
    }
}
/// r
pub struct ReplyStream(UsageStream);
impl ReplyStream {
    /// n
    pub fn new(provider: &str, api: Option<Api>, _f: Option<Framing>) -> Self {
        Self(UsageStream::new(provider, api))
    }
    /// p
    pub fn push(&mut self, b: &[u8]) {
        self.0.push(b)
    }
    /// f
    ///
    /// # Errors
    /// e
    pub fn finish(self) -> Result<Reply, ReadError> {
        let u = self.0.finish()?;
        Ok(Reply {
            usage: u.usage,
            partial: u.partial,
            model: None,
            response_id: None,
            price_context: PriceContext::new(),
            stopped: None,
        })
    }
}
/// r
///
/// # Errors
/// e
pub fn read_reply(api: Option<Api>, provider: &str, body: &[u8]) -> Result<Reply, ReadError> {
    let v: Value = serde_json::from_slice(body).unwrap_or_default();
    Ok(Reply {
        usage: read_usage_as(api, provider, &v)?,
        partial: false,
        model: None,
        response_id: None,
        price_context: PriceContext::new(),
        stopped: None,
    })
}
/// r
pub fn read_error_code(_b: &[u8]) -> Option<Label> {
    None
}
