//! What a request to a model says besides its text. The text is counted, not kept.

use std::borrow::Cow;
use std::fmt;

use schemas::Label;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Largest body that is read, bytes; a larger one passes unread.
pub const ASK_BYTES_MAX: usize = 8 << 20;

/// What a request says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The model asked for.
    pub model: Option<Label>,
    /// The reply is to be a stream.
    pub streams: bool,
    /// Most tokens that the reply may have.
    pub output_tokens_max: Option<u64>,
    /// Bytes of every text in it, UTF-8.
    pub input_bytes: u64,
    /// The body that asks for usage as well, where the caller's streams and does not.
    pub asking_for_usage: Option<Vec<u8>>,
}

impl Ask {
    /// Reads a request's body. What is not understood is left unsaid: the provider will have its own words for it.
    /// `usage_on_request`: usage must be asked for.
    #[must_use]
    pub fn read(body: &[u8], usage_on_request: bool) -> Self {
        let fields =
            std::str::from_utf8(body).ok().and_then(|text| Some((text, serde_json::from_str::<Fields>(text).ok()?)));
        let Some((text, fields)) = fields else { return Self::default() };
        let asking_for_usage =
            if fields.stream && usage_on_request { with_usage(text, fields.stream_options) } else { None };
        Self {
            model: fields.model.and_then(|name| Label::parse(&name).ok()),
            streams: fields.stream,
            output_tokens_max: fields.output_tokens_max,
            input_bytes: fields.text_bytes,
            asking_for_usage,
        }
    }
}

/// The body with `stream_options.include_usage`; `None` where the caller asks for usage already, or in a form that is not
/// understood. Every other byte stays.
fn with_usage(text: &str, options: Option<&str>) -> Option<Vec<u8>> {
    let asked = match options {
        None => {
            let (before, after) = text.rsplit_once('}')?;
            return Some([before, r#","stream_options":{"include_usage":true}}"#, after].concat().into_bytes());
        }
        Some(options) => match serde_json::from_str::<Value>(options).ok()? {
            Value::Null => Map::new(),
            Value::Object(members) if members.get("include_usage") == Some(&Value::Bool(true)) => return None,
            Value::Object(members) => members,
            _ => return None,
        },
    };
    let options = options?;
    let at = (options.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let (before, after) = (text.get(..at)?, text.get(at + options.len()..)?);
    let mut asked = asked;
    asked.insert("include_usage".into(), Value::Bool(true));
    Some([before, &Value::Object(asked).to_string(), after].concat().into_bytes())
}

#[derive(Default)]
struct Fields<'a> {
    model: Option<Cow<'a, str>>,
    stream: bool,
    stream_options: Option<&'a str>,
    output_tokens_max: Option<u64>,
    text_bytes: u64,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Fields::default();
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    match name.as_ref() {
                        "model" | "modelId" => fields.model = map.next_value::<Lenient<Cow<'de, str>>>()?.0,
                        "stream" => fields.stream = map.next_value::<Lenient<bool>>()?.0.unwrap_or(false),
                        "stream_options" => fields.stream_options = Some(map.next_value::<&'de RawValue>()?.get()),
                        "max_tokens" | "max_completion_tokens" | "max_output_tokens" | "max_tokens_to_sample" => {
                            fields.output_tokens_max = map.next_value::<Lenient<u64>>()?.0.or(fields.output_tokens_max);
                        }
                        "generationConfig" | "generation_config" | "inferenceConfig" => {
                            let limits = map.next_value::<Lenient<Limits>>()?.0.unwrap_or_default();
                            fields.output_tokens_max =
                                limits.max_output_tokens.or(limits.max_tokens).or(fields.output_tokens_max);
                        }
                        "messages" | "input" | "contents" | "system" | "instructions" | "systemInstruction"
                        | "system_instruction" | "prompt" | "message" | "chat_history" | "preamble" | "tools" => {
                            map.next_value_seed(TextBytes(&mut fields.text_bytes))?;
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[derive(Default, serde::Deserialize)]
struct Limits {
    #[serde(rename = "maxOutputTokens", alias = "max_output_tokens")]
    max_output_tokens: Option<u64>,
    #[serde(rename = "maxTokens")]
    max_tokens: Option<u64>,
}

/// A value of this type, or nothing where it is of another.
struct Lenient<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(raw.get()).ok()))
    }
}

/// Counts the bytes of every text in a value, but for encoded files.
struct TextBytes<'a>(&'a mut u64);

impl<'de> DeserializeSeed<'de> for TextBytes<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextBytes<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        *self.0 += text.len() as u64;
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(TextBytes(self.0))?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            if matches!(
                name.as_ref(),
                "data" | "url" | "bytes" | "image_url" | "file_data" | "inlineData" | "type" | "role"
            ) {
                members.next_value::<IgnoredAny>()?;
            } else {
                members.next_value_seed(TextBytes(self.0))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asking(body: &str) -> Option<String> {
        Ask::read(body.as_bytes(), true).asking_for_usage.map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn what_decides_the_price_is_read() {
        let ask = Ask::read(
            br#"{"model":"gpt-4o","messages":[{"role":"system","content":"four"},{"role":"user","content":[{"type":"text","text":"f\u00fcnf!"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}],"max_completion_tokens":77,"stream":true,"temperature":0.5}"#,
            false,
        );
        assert_eq!(ask.model.unwrap().as_str(), "gpt-4o");
        assert_eq!(
            (ask.streams, ask.output_tokens_max, ask.input_bytes, ask.asking_for_usage),
            (true, Some(77), 10, None)
        );
        let gemini = Ask::read(
            br#"{"contents":[{"parts":[{"text":"hello"}]}],"generationConfig":{"maxOutputTokens":5}}"#,
            false,
        );
        assert_eq!((gemini.output_tokens_max, gemini.input_bytes, gemini.streams), (Some(5), 5, false));
    }

    #[test]
    fn usage_is_asked_for_and_no_other_byte_changes() {
        for (body, asked) in [
            (r#"{"stream":true} "#, Some(r#"{"stream":true,"stream_options":{"include_usage":true}} "#)),
            (
                r#"{"stream":true,"stream_options":null,"n":1}"#,
                Some(r#"{"stream":true,"stream_options":{"include_usage":true},"n":1}"#),
            ),
            (
                r#"{ "stream_options" : {"include_obfuscation":false}, "stream" : true , "x":1e400}"#,
                Some(
                    r#"{ "stream_options" : {"include_obfuscation":false,"include_usage":true}, "stream" : true , "x":1e400}"#,
                ),
            ),
            (
                r#"{"stream":true,"stream_options":{"include_usage":false}}"#,
                Some(r#"{"stream":true,"stream_options":{"include_usage":true}}"#),
            ),
            (r#"{"stream":true,"stream_options":{"include_usage":true}}"#, None),
            (r#"{"stream":false}"#, None),
            (r#"{"stream":"true"}"#, None),
            (r#"{"messages":[]}"#, None),
            (r#"{"stream":true,"stream_options":7}"#, None),
            (r#"{"stream":true"#, None),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(asking(body).as_deref(), asked, "{body}");
        }
    }

    #[test]
    fn wrong_types_are_left_unsaid() {
        let ask = Ask::read(br#"{"model":7,"stream":1,"max_tokens":"many","messages":{"a":[null,1.5,"xy"]}}"#, true);
        assert_eq!(ask, Ask { input_bytes: 2, ..Ask::default() });
        let personal = Ask::read(br#"{"model":"alice@example.com"}"#, true);
        assert_eq!(personal.model, None);
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(body: Vec<u8>, text in "\\PC{0,60}") {
            let _ = Ask::read(&body, true);
            let _ = Ask::read(format!("{{\"stream\":true,{text}}}").as_bytes(), true);
        }

        #[test]
        fn what_is_asked_is_the_same_request(options in proptest::option::of(Just(r#"{"a":1}"#)), content in "\\PC{0,40}") {
            let options = options.map_or(String::new(), |options| format!(",\"stream_options\":{options}"));
            let body = format!("{{\"messages\":[{}]{options},\"stream\":true}}", serde_json::to_string(&content).unwrap());
            let mut asked: Value = serde_json::from_str(&asking(&body).unwrap()).unwrap();
            assert_eq!(asked["stream_options"]["include_usage"], Value::Bool(true));
            let members = asked.as_object_mut().unwrap();
            members.get_mut("stream_options").unwrap().as_object_mut().unwrap().remove("include_usage");
            if options.is_empty() {
                members.remove("stream_options");
            }
            assert_eq!(asked, serde_json::from_str::<Value>(&body).unwrap());
        }
    }
}
