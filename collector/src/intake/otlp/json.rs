//! OTLP/JSON: ids in hex, 64-bit numbers as text or number, names in lower camel case, unknown members ignored.
//!
//! Read level by level: what a level does not ask for is skipped by the parser, and nothing is collected that is not kept.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::conventions::Emitter;
use super::span::{Around, Attributes, LIST_TEXTS_MAX, SPANS_MAX, Span, VALUE_BYTES_MAX, Value};
use super::{Unreadable, id};

type Part<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    resource_spans: Part<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(borrow, alias = "instrumentationLibrarySpans")]
    scope_spans: Part<'a>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow)]
    attributes: Part<'a>,
}

#[derive(Deserialize)]
struct ScopeSpans<'a> {
    #[serde(borrow, alias = "instrumentationLibrary")]
    scope: Option<Scope<'a>>,
    #[serde(borrow)]
    spans: Part<'a>,
}

#[derive(Deserialize)]
struct Scope<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonSpan<'a> {
    #[serde(borrow)]
    trace_id: Part<'a>,
    #[serde(borrow)]
    span_id: Part<'a>,
    #[serde(borrow)]
    parent_span_id: Part<'a>,
    #[serde(borrow)]
    start_time_unix_nano: Part<'a>,
    #[serde(borrow)]
    end_time_unix_nano: Part<'a>,
    #[serde(borrow)]
    attributes: Part<'a>,
    #[serde(borrow)]
    status: Option<Status<'a>>,
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow)]
    code: Part<'a>,
}

#[derive(Deserialize)]
struct KeyValue<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: Part<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyValue<'a> {
    string_value: Option<String>,
    bool_value: Option<bool>,
    #[serde(borrow)]
    int_value: Part<'a>,
    #[serde(borrow)]
    double_value: Part<'a>,
    array_value: Option<List>,
    kvlist_value: Option<IgnoredAny>,
    bytes_value: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    values: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    string_value: Option<String>,
}

/// The spans of a request.
pub(super) fn read(body: &str) -> Result<Vec<Span>, Unreadable> {
    let request: Request = serde_json::from_str(body).map_err(|_| Unreadable::Broken)?;
    let mut spans = Vec::new();
    each(request.resource_spans, |resource_spans: ResourceSpans| {
        let mut attributes = Attributes::default();
        each(resource_spans.resource.and_then(|resource| resource.attributes), |attribute| {
            add(&mut attributes, &attribute);
            Ok(())
        })?;
        let attributes = Rc::new(attributes);
        each(resource_spans.scope_spans, |scope_spans: ScopeSpans| {
            let name = scope_spans.scope.and_then(|scope| scope.name);
            let emitter = name.map(|name| Emitter::of_scope(&name)).unwrap_or_default();
            let around = Rc::new(Around { emitter, attributes: attributes.clone() });
            each(scope_spans.spans, |span: JsonSpan| {
                if spans.len() >= SPANS_MAX {
                    return Err(Unreadable::TooMany);
                }
                spans.push(read_span(&span, &around)?);
                Ok(())
            })
        })
    })?;
    Ok(spans)
}

fn read_span(span: &JsonSpan, around: &Rc<Around>) -> Result<Span, Unreadable> {
    let mut attributes = Attributes::default();
    each(span.attributes, |attribute| {
        add(&mut attributes, &attribute);
        Ok(())
    })?;
    let code = span.status.as_ref().and_then(|status| status.code).map(RawValue::get);
    Ok(Span {
        trace_id: span.trace_id.and_then(|text| hex(text.get())),
        span_id: span.span_id.and_then(|text| hex(text.get())),
        parent_id: span.parent_span_id.and_then(|text| hex(text.get())),
        start_ns: span.start_time_unix_nano.and_then(number).unwrap_or(0),
        end_ns: span.end_time_unix_nano.and_then(number).unwrap_or(0),
        failed: matches!(code, Some("2" | "\"STATUS_CODE_ERROR\"")),
        attributes: Rc::new(attributes),
        outer: Vec::new(),
        around: around.clone(),
    })
}

fn add(attributes: &mut Attributes, attribute: &KeyValue) {
    attributes.add(attribute.key.as_bytes(), || read_value(attribute.value?.get()));
}

/// `None` where there is no value.
fn read_value(text: &str) -> Option<Value> {
    if text.len() > VALUE_BYTES_MAX {
        return Some(Value::Other);
    }
    let Ok(value) = serde_json::from_str(text) else { return Some(Value::Other) };
    Some(match value {
        AnyValue { string_value: Some(text), .. } => Value::Text(text),
        AnyValue { bool_value: Some(flag), .. } => Value::Flag(flag),
        AnyValue { int_value: Some(whole), .. } => number(whole).map_or(Value::Other, Value::Whole),
        AnyValue { double_value: Some(real), .. } => number(real).map_or(Value::Other, Value::Number),
        AnyValue { array_value: Some(list), .. } => {
            Value::Texts(list.values.into_iter().filter_map(|item| item.string_value).take(LIST_TEXTS_MAX).collect())
        }
        AnyValue { kvlist_value: None, bytes_value: None, .. } => return None,
        _ => Value::Other,
    })
}

/// A number, or the text of one.
fn number<T: std::str::FromStr>(value: &RawValue) -> Option<T> {
    let text = value.get();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).parse().ok()
}

/// An id from a JSON text of hex digits.
fn hex<const N: usize>(json: &str) -> Option<[u8; N]> {
    let digits = json.strip_prefix('"')?.strip_suffix('"')?;
    if digits.len() != 2 * N {
        return None;
    }
    let nibble = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(nibble(high)? << 4 | nibble(low)?),
            _ => None,
        })
        .collect();
    id(&bytes?)
}

/// Reads a list item by item.
fn each<'a, T, F>(list: Part<'a>, mut take: F) -> Result<(), Unreadable>
where
    T: Deserialize<'a>,
    F: FnMut(T) -> Result<(), Unreadable>,
{
    let Some(list) = list else { return Ok(()) };
    let mut refused = None;
    let visitor = Each { take: |item| take(item).map_err(|error| refused = Some(error)), item: PhantomData };
    let read = serde_json::Deserializer::from_str(list.get()).deserialize_seq(visitor);
    match (read, refused) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(refused)) => Err(refused),
        (Err(_), None) => Err(Unreadable::Broken),
    }
}

struct Each<T, F> {
    take: F,
    item: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<(), ()>> Visitor<'de> for Each<T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            (self.take)(item).map_err(|()| A::Error::custom("refused"))?;
        }
        Ok(())
    }
}
