//! `sage-inspect <command>`: what would Sage make of this? NDJSON in, NDJSON out, with the edge's own code.
#![allow(clippy::print_stdout, clippy::print_stderr)]

#[cfg(not(target_arch = "wasm32"))]
mod inspect {
    use std::io::{BufRead, Write};
    use std::process::ExitCode;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use collector::price::{Prices, Quote, TurnFacts};
    use collector::scrub::url::{referrer_domain, route};
    use collector::usage::{Api, Reply, ReplyStream, Stop, read_reply, read_usage_as};
    use collector::user_agent::{Hints, read_with};
    use schemas::event::{PriceContext, Provenance};
    use schemas::{Label, Usage, UtcMillis};
    use serde_json::{Map, Value, json};

    type Answer = Result<Value, String>;

    struct Command {
        name: &'static str,
        takes: &'static str,
        answer: fn(&Value) -> Answer,
    }

    const COMMANDS: &[Command] = &[
        Command { name: "url", takes: r#"{"url", "referrer"?}"#, answer: url },
        Command { name: "ua", takes: r#"{"ua", "hints"?}"#, answer: ua },
        Command { name: "redact", takes: r#"{"text"}"#, answer: redact },
        Command { name: "usage", takes: r#"{"provider", "api"?, "body" | "stream"}"#, answer: usage },
        Command {
            name: "price",
            takes: r#"{"provider", "model", "ts", "usage"?, "context"?, "latency_ms"?, "input_chars"?, "output_chars"?}"#,
            answer: price,
        },
    ];

    pub fn main() -> ExitCode {
        let name = std::env::args().nth(1).unwrap_or_default();
        let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
            eprintln!("usage: sage-inspect <command>, lines of JSON on standard input. Commands:");
            COMMANDS.iter().for_each(|known| eprintln!("  {:7} {}", known.name, known.takes));
            return ExitCode::from(2);
        };
        match run(command.answer) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("sage-inspect: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn run(answer: fn(&Value) -> Answer) -> std::io::Result<()> {
        let mut output = std::io::stdout().lock();
        for line in std::io::stdin().lock().split(b'\n') {
            let line = line?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let given = serde_json::from_slice::<Value>(&line)
                .map_err(|error| format!("not JSON, at column {}", error.column()));
            let said = given.and_then(|given| answer(&given)).unwrap_or_else(|error| json!({ "error": error }));
            writeln!(output, "{said}")?;
        }
        output.flush()
    }

    fn url(given: &Value) -> Answer {
        let referrer = match given.get("referrer") {
            None | Some(Value::Null) => None,
            Some(_) => referrer_domain(text(given, "referrer")?),
        };
        Ok(json!({ "route": route(text(given, "url")?), "referrer_domain": referrer }))
    }

    fn ua(given: &Value) -> Answer {
        let hint = |header: &str, name: &str| {
            let hints = given.get("hints")?;
            hints.get(header).or_else(|| hints.get(name))?.as_str()
        };
        let hints = Hints {
            brands: hint("sec-ch-ua", "brands"),
            mobile: hint("sec-ch-ua-mobile", "mobile"),
            platform: hint("sec-ch-ua-platform", "platform"),
        };
        Ok(read_with(text(given, "ua")?, &hints).json())
    }

    fn redact(given: &Value) -> Answer {
        let source = text(given, "text")?;
        let (mut redacted, mut found) = (String::with_capacity(source.len()), Vec::new());
        let (mut from, mut chars) = (0, 0);
        for piece in collector::redact::find(source) {
            let plain = source.get(from..piece.start).unwrap_or_default();
            let start = chars + plain.chars().count();
            chars = start + source.get(piece.start..piece.end).unwrap_or_default().chars().count();
            redacted.extend([plain, "[", piece.kind.name(), "]"]);
            found.push(json!({"type": piece.kind.name(), "start": start, "end": chars}));
            from = piece.end;
        }
        redacted.push_str(source.get(from..).unwrap_or_default());
        Ok(json!({"text": redacted, "found": found}))
    }

    fn usage(given: &Value) -> Answer {
        let provider = text(given, "provider")?;
        let api = match given.get("api").and_then(Value::as_str) {
            None => None,
            Some(name) => Some(Api::parse(name).ok_or(
                "`api` is not one of chat, responses, anthropic, gemini, bedrock, cohere, ollama, or a flavour of genai-prices",
            )?),
        };
        let reply = match given.get("body") {
            Some(body) => {
                let mut reply =
                    read_reply(api, provider, body.to_string().as_bytes()).map_err(|error| error.to_string())?;
                if reply.usage.is_none() {
                    // A usage block alone, as events carry it.
                    reply.usage = read_usage_as(api, provider, body).map_err(|error| error.to_string())?;
                }
                reply
            }
            None => {
                let bytes = STANDARD.decode(text(given, "stream").map_err(|_| "neither `body` nor `stream` is given")?);
                let bytes = bytes.map_err(|_| "`stream` is not base64")?;
                // As the edge gets it: in parts.
                let part = given.get("cut").and_then(Value::as_u64).and_then(|cut| usize::try_from(cut).ok());
                let mut stream = ReplyStream::new(provider, api, None);
                bytes.chunks(part.unwrap_or(bytes.len()).max(1)).for_each(|part| stream.push(part));
                stream.finish().map_err(|error| error.to_string())?
            }
        };
        Ok(told(&reply))
    }

    fn told(reply: &Reply) -> Value {
        let counts = reply.usage.map(|usage| usage.counts()).into_iter().flatten();
        let mut said: Map<String, Value> =
            Usage::FIELDS.iter().zip(counts).map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
        let stopped = reply.stopped.as_ref().map(|stop| match stop {
            Stop::Complete => "complete".to_owned(),
            Stop::Length => "length".to_owned(),
            Stop::Filtered => "filtered".to_owned(),
            Stop::Error(code) => code.as_ref().map_or_else(|| "error".to_owned(), |code| format!("error:{code}")),
        });
        said.insert("usage".to_owned(), json!(reply.usage));
        said.insert("partial".to_owned(), json!(reply.partial));
        said.insert("usage_missing".to_owned(), json!(reply.usage.is_none()));
        said.insert("model".to_owned(), json!(reply.model));
        said.insert("price_context".to_owned(), json!(reply.price_context));
        said.insert("stopped".to_owned(), json!(stopped));
        Value::Object(said)
    }

    thread_local! {
        static PRICES: Result<Prices, String> =
            Prices::load(Prices::EMBEDDED, std::env::var("SAGE_PRICES").ok().as_deref());
    }

    fn price(given: &Value) -> Answer {
        let usage = match given.get("usage") {
            None | Some(Value::Null) => None,
            Some(usage) => {
                Some(serde_json::from_value::<Usage>(usage.clone()).map_err(|_| "`usage` is not a canonical usage")?)
            }
        };
        let mut context = PriceContext::new();
        for (name, value) in given.get("context").and_then(Value::as_object).into_iter().flatten() {
            let word =
                |text: Option<&str>| text.and_then(|text| Label::parse(text).ok()).ok_or("`context` is not words");
            context.insert(word(Some(name))?, word(value.as_str())?);
        }
        let number = |name: &str| match given.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
                Some(number) => Ok(Some(number)),
                None => Err(format!("`{name}` is not a whole number of 32 bits")),
            },
        };
        let turn = TurnFacts {
            provider: text(given, "provider")?,
            model: text(given, "model")?,
            at: UtcMillis::parse_rfc3339(text(given, "ts")?).ok_or("`ts` is not an RFC 3339 date-time")?,
            usage: usage.as_ref(),
            provenance: Provenance::Computed,
            context: &context,
            latency_ms: number("latency_ms")?,
            input_chars: number("input_chars")?,
            output_chars: number("output_chars")?,
        };
        PRICES.with(|prices| {
            let prices = prices.as_ref().map_err(Clone::clone)?;
            Ok(prices.quote(&turn).map_or_else(|reason| json!({ "unpriced": reason }), |quote| shown(&quote)))
        })
    }

    fn shown(quote: &Quote) -> Value {
        let priced = &quote.priced;
        let units = priced.units.iter().map(|unit| {
            json!({"unit": unit.unit, "count": unit.count, "exact": unit.exact.to_string(), "nano_usd": unit.nano_usd})
        });
        let mut shown = json!({
            "nano_usd": priced.nano_usd,
            "exact": priced.exact.to_string(),
            "price_version": priced.price_version,
            "tier": priced.tier.to_string(),
            "provenance": priced.provenance,
            "units": units.collect::<Vec<_>>(),
        });
        if let (Some(range), Some(members)) = (quote.range, shown.as_object_mut()) {
            members.insert("range".to_owned(), json!(range));
            members.insert("usage".to_owned(), json!(quote.estimated));
        }
        shown
    }

    fn text<'a>(given: &'a Value, name: &str) -> Result<&'a str, String> {
        given.get(name).and_then(Value::as_str).ok_or_else(|| format!("`{name}` is not a text"))
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    inspect::main()
}

/// The edge has no command line.
#[cfg(target_arch = "wasm32")]
fn main() {}
