//! The way to model providers: a call passes through, and what it cost is read from the reply as it goes by.
//!
//! `provider` says where a call goes, `named` who and what it is for, `ask` what the request holds, `hold` what it may cost,
//! `usage_chunk` hides what only Sage asked for, `turn` makes the event. The bytes themselves are moved by the shell.

mod ask;
mod hold;
mod named;
mod provider;
mod turn;

mod usage_chunk;

pub use ask::{ASK_BYTES_MAX, Ask};
pub use hold::{hold_request, limits, periods, refusal_body, retry_after_s};
pub use named::Named;
pub use provider::{ModelCall, Target, target};
pub use turn::{Call, Ended, Outcome, turn};

pub use usage_chunk::UsageChunk;

use crate::proxy::{HeaderList, headers_to_drop};

/// Headers of the caller that a provider does not get: those of one hop, Sage's own, and what says who stands behind the
/// caller.
#[must_use]
pub fn headers_kept_back<'a>(headers: HeaderList<'a>) -> Vec<&'a str> {
    const OURS: [&str; 9] = [
        "cookie",
        "host",
        "content-length",
        "forwarded",
        "x-real-ip",
        "true-client-ip",
        "cdn-loop",
        "accept-encoding",
        "x-forwarded-for",
    ];
    let mut dropped = headers_to_drop(headers);
    let ours = |name: &str| OURS.contains(&name) || name.starts_with("cf-") || name.starts_with("x-forwarded-");
    dropped.extend(headers.names().filter(|name| ours(name)));
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_learns_nothing_of_who_stands_behind_the_caller() {
        let headers = HeaderList(
            "authorization,Bearer k\nx-api-key,k\nsage-user,alice\nsage-key,s\ncookie,c\ncf-connecting-ip,203.0.113.9\n\
             cf-ipcountry,NP\nx-forwarded-for,203.0.113.9\nx-real-ip,203.0.113.9\nconnection,close\ncontent-type,application/json\n\
             accept-encoding,gzip\nopenai-organization,o\nuser-agent,OpenAI/Python",
        );
        let dropped = headers_kept_back(headers);
        let kept: Vec<&str> = headers.names().filter(|name| !dropped.contains(name)).collect();
        assert_eq!(kept, ["authorization", "x-api-key", "content-type", "openai-organization", "user-agent"]);
    }
}
