//! OTLP/JSON: ids in hex, 64-bit numbers as text or number, names in lower camel case, unknown members ignored.
//!
//! Read level by level: what a level does not ask for is skipped by the parser, and nothing is collected that is not kept. One
//! visitor for all levels weighs a tenth of what a derived reader for each would.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::conventions::Emitter;
use super::span::{Around, Attributes, LIST_TEXTS_MAX, SPANS_MAX, Span, VALUE_BYTES_MAX, Value};
use super::{Unreadable, id};

type Done = Result<(), Unreadable>;

/// The spans of a request.
pub(super) fn read(body: &str) -> Result<Vec<Span>, Unreadable> {
    let mut spans = Vec::new();
    if body == NULL {
        return Err(Unreadable::Broken);
    }
    members(body, &mut |name, value| match name {
        "resourceSpans" => each(value, &mut |resource_spans| read_resource(resource_spans, &mut spans)),
        _ => Ok(()),
    })?;
    Ok(spans)
}

fn read_resource(text: &str, spans: &mut Vec<Span>) -> Done {
    let (mut resource, mut scopes) = (NULL, NULL);
    members(text, &mut |name, value| {
        match name {
            "resource" => resource = value,
            // The name of scopes before 2022.
            "scopeSpans" | "instrumentationLibrarySpans" => scopes = value,
            _ => {}
        }
        Ok(())
    })?;
    let mut attributes = Attributes::default();
    members(resource, &mut |name, value| match name {
        "attributes" => read_attributes(value, &mut attributes),
        _ => Ok(()),
    })?;
    let attributes = Rc::new(attributes);
    each(scopes, &mut |scope_spans| read_scope(scope_spans, &attributes, spans))
}

fn read_scope(text: &str, attributes: &Rc<Attributes>, spans: &mut Vec<Span>) -> Done {
    let (mut emitter, mut list) = (Emitter::default(), NULL);
    members(text, &mut |name, value| match name {
        "scope" | "instrumentationLibrary" => members(value, &mut |name, value| {
            if name == "name" {
                emitter = text_of(value).map(|name| Emitter::of_scope(&name)).unwrap_or_default();
            }
            Ok(())
        }),
        "spans" => {
            list = value;
            Ok(())
        }
        _ => Ok(()),
    })?;
    let around = Rc::new(Around { emitter, attributes: attributes.clone() });
    each(list, &mut |span| {
        if spans.len() >= SPANS_MAX {
            return Err(Unreadable::TooMany);
        }
        spans.push(read_span(span, &around)?);
        Ok(())
    })
}

fn read_span(text: &str, around: &Rc<Around>) -> Result<Span, Unreadable> {
    let mut span = Span { around: around.clone(), ..Span::default() };
    let mut attributes = Attributes::default();
    members(text, &mut |name, value| {
        match name {
            "traceId" => span.trace_id = hex(value),
            "spanId" => span.span_id = hex(value),
            "parentSpanId" => span.parent_id = hex(value),
            "startTimeUnixNano" => span.start_ns = number(value).unwrap_or(0),
            "endTimeUnixNano" => span.end_ns = number(value).unwrap_or(0),
            "attributes" => return read_attributes(value, &mut attributes),
            "status" => {
                return members(value, &mut |name, value| {
                    if name == "code" {
                        span.failed = matches!(value, "2" | "\"STATUS_CODE_ERROR\"");
                    }
                    Ok(())
                });
            }
            _ => {}
        }
        Ok(())
    })?;
    span.attributes = Rc::new(attributes);
    Ok(span)
}

fn read_attributes(list: &str, attributes: &mut Attributes) -> Done {
    each(list, &mut |attribute| {
        let (mut key, mut value) = (NULL, NULL);
        members(attribute, &mut |name, text| {
            match name {
                "key" => key = text,
                "value" => value = text,
                _ => {}
            }
            Ok(())
        })?;
        attributes.add(text_of(key).ok_or(Unreadable::Broken)?.as_bytes(), || read_value(value));
        Ok(())
    })
}

/// `None` where there is no value.
fn read_value(text: &str) -> Option<Value> {
    if text.len() > VALUE_BYTES_MAX {
        return Some(Value::Other);
    }
    let mut found = None;
    let read = members(text, &mut |name, text| {
        if text != NULL {
            let value = match name {
                "stringValue" => text_of(text).map(|text| Value::Text(text.into_owned())),
                "boolValue" => text.parse().ok().map(Value::Flag),
                "intValue" => number(text).map(Value::Whole),
                "doubleValue" => number(text).map(Value::Number),
                "arrayValue" => read_list(text).map(Value::Texts),
                _ => None,
            };
            found = Some(value.unwrap_or(Value::Other));
        }
        Ok(())
    });
    if read.is_ok() { found } else { Some(Value::Other) }
}

fn read_list(text: &str) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    let read = members(text, &mut |name, list| match name {
        "values" => each(list, &mut |item| {
            texts.extend(text_in(item).filter(|_| texts.len() < LIST_TEXTS_MAX));
            Ok(())
        }),
        _ => Ok(()),
    });
    read.ok().map(|()| texts)
}

/// The text that an item of a list holds.
fn text_in(item: &str) -> Option<String> {
    let mut found = None;
    let read = members(item, &mut |name, text| {
        if name == "stringValue" {
            found = text_of(text).map(Cow::into_owned);
        }
        Ok(())
    });
    read.ok().and(found)
}

const NULL: &str = "null";

/// The text that a JSON text is.
fn text_of(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// A number, or the text of one.
fn number<T: std::str::FromStr>(json: &str) -> Option<T> {
    json.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(json).parse().ok()
}

/// An id from a JSON text of hex digits.
fn hex<const N: usize>(json: &str) -> Option<[u8; N]> {
    let digits = json.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let nibble = char::from(*digit).to_digit(16)?;
            *byte = *byte << 4 | u8::try_from(nibble).ok()?;
        }
    }
    id(&bytes)
}

/// Reads an object member by member: its name, and the text of its value. `null` has none.
fn members<'a>(object: &'a str, take: &mut dyn FnMut(&str, &'a str) -> Done) -> Done {
    walk(object, Walk { members: true, take })
}

/// Reads a list item by item: the text of each. `null` has none.
fn each<'a>(list: &'a str, take: &mut dyn FnMut(&'a str) -> Done) -> Done {
    walk(list, Walk { members: false, take: &mut |_, item| take(item) })
}

fn walk<'a>(text: &'a str, walk: Walk<'a, '_>) -> Done {
    if text == NULL {
        return Ok(());
    }
    let mut refused = Unreadable::Broken;
    let Walk { members, take } = walk;
    let take = &mut |name: &str, value: &'a str| take(name, value).inspect_err(|error| refused = *error);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = deserializer.deserialize_any(Walk { members, take }).and_then(|()| deserializer.end());
    read.map_err(|_| refused)
}

struct Walk<'a, 'f> {
    members: bool,
    take: &'f mut dyn FnMut(&str, &'a str) -> Done,
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Visitor<'a> for Walk<'a, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.members { "an object" } else { "a list" })
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        if !self.members {
            return Err(A::Error::custom("is no list"));
        }
        while let Some((Name(name), value)) = map.next_entry::<Name<'a>, &'a RawValue>()? {
            (self.take)(&name, value.get()).map_err(|_| A::Error::custom("refused"))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        if self.members {
            return Err(A::Error::custom("is no object"));
        }
        while let Some(item) = list.next_element::<&'a RawValue>()? {
            (self.take)("", item.get()).map_err(|_| A::Error::custom("refused"))?;
        }
        Ok(())
    }
}
