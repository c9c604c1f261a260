//! `sage-inspect <command>`: what would Sage make of this? NDJSON in, NDJSON out, with the edge's own code.
#![allow(clippy::print_stdout, clippy::print_stderr)]

#[cfg(not(target_arch = "wasm32"))]
mod inspect {
    use std::io::{BufRead, Write};
    use std::process::ExitCode;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use collector::price::{PriceBook, Priced};
    use collector::usage::{Api, StreamUsage, UsageStream, read_usage_as};
    use schemas::event::{Provenance, UnpricedReason};
    use schemas::{Usage, UtcMillis};
    use serde_json::{Map, Value, json};

    type Answer = Result<Value, String>;

    struct Command {
        name: &'static str,
        takes: &'static str,
        answer: fn(&Value) -> Answer,
    }

    const COMMANDS: &[Command] = &[
        Command { name: "usage", takes: r#"{"provider", "api"?, "body" | "stream"}"#, answer: usage },
        Command { name: "price", takes: r#"{"provider", "model", "ts", "usage", "context"?}"#, answer: price },
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

    fn usage(given: &Value) -> Answer {
        let provider = text(given, "provider")?;
        let api = match given.get("api").and_then(Value::as_str) {
            None | Some("default") => None,
            Some(name) => Some(
                Api::parse(name).ok_or("`api` is not one of chat, responses, anthropic, gemini, bedrock, cohere")?,
            ),
        };
        let told = if let Some(body) = given.get("body") {
            read_usage_as(api, provider, body).map(|usage| StreamUsage { usage, partial: false })
        } else {
            let bytes = STANDARD.decode(text(given, "stream").map_err(|_| "neither `body` nor `stream` is given")?);
            let mut stream = UsageStream::new(provider, api);
            stream.push(&bytes.map_err(|_| "`stream` is not base64")?);
            stream.finish()
        };
        let told = told.map_err(|error| error.to_string())?;
        let mut said = told.usage.map_or_else(Map::new, |usage| all_fields(&usage));
        said.insert("usage".to_owned(), json!(told.usage));
        said.insert("partial".to_owned(), json!(told.partial));
        said.insert("usage_missing".to_owned(), json!(told.usage.is_none()));
        Ok(Value::Object(said))
    }

    /// A usage with its zeros.
    fn all_fields(usage: &Usage) -> Map<String, Value> {
        let fields = [
            ("input_tokens", usage.input_tokens),
            ("output_tokens", usage.output_tokens),
            ("cache_read_tokens", usage.cache_read_tokens),
            ("cache_write_tokens", usage.cache_write_tokens),
            ("cache_write_1h_tokens", usage.cache_write_1h_tokens),
            ("reasoning_tokens", usage.reasoning_tokens),
            ("input_audio_tokens", usage.input_audio_tokens),
            ("cache_audio_read_tokens", usage.cache_audio_read_tokens),
            ("output_audio_tokens", usage.output_audio_tokens),
        ];
        fields.map(|(name, count)| (name.to_owned(), json!(count))).into_iter().collect()
    }

    fn price(given: &Value) -> Answer {
        let (provider, model) = (text(given, "provider")?, text(given, "model")?);
        let at = UtcMillis::parse_rfc3339(text(given, "ts")?).ok_or("`ts` is not an RFC 3339 date-time")?;
        let usage = match given.get("usage") {
            None | Some(Value::Null) => return Ok(json!({ "unpriced": UnpricedReason::UsageMissing })),
            Some(usage) => {
                serde_json::from_value::<Usage>(usage.clone()).map_err(|_| "`usage` is not a canonical usage")?
            }
        };
        let context: Vec<(&str, &str)> = given
            .get("context")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .collect();
        let priced = PriceBook::builtin().price_in(provider, model, at, &usage, Provenance::Computed, &context);
        Ok(match priced {
            Ok(priced) => shown(&priced),
            Err(reason) => json!({ "unpriced": reason }),
        })
    }

    fn shown(priced: &Priced) -> Value {
        let units = priced
            .units
            .iter()
            .map(|unit| json!({"unit": unit.unit, "tokens": unit.tokens, "exact": unit.exact.to_string()}));
        json!({
            "nano_usd": priced.nano_usd,
            "exact": priced.exact.to_string(),
            "price_version": priced.price_version,
            "tier": priced.tier.to_string(),
            "provenance": priced.provenance,
            "units": units.collect::<Vec<_>>(),
        })
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
