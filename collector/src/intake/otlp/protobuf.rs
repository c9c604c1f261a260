//! Protobuf: `opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest`.
//!
//! The containers are walked in place: decoded whole, by generated code, 8 MiB of empty attributes would take 250 MiB, and every
//! value would be copied before the list is asked. Field numbers: `opentelemetry/proto/trace/v1/trace.proto` and `common.proto`.

use std::rc::Rc;

use prost::Message;

use super::conventions::Emitter;
use super::span::{Around, Attributes, LIST_TEXTS_MAX, SPANS_MAX, Span, VALUE_BYTES_MAX, Value};
use super::{Unreadable, id};

/// A value that an attribute on the list may have: a scalar, or a list of texts.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct AnyValue {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(bool, optional, tag = "2")]
    flag: Option<bool>,
    #[prost(int64, optional, tag = "3")]
    whole: Option<i64>,
    #[prost(double, optional, tag = "4")]
    number: Option<f64>,
    #[prost(message, optional, tag = "5")]
    list: Option<List>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct List {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Item>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Item {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
}

/// The spans of a request.
pub(super) fn read(body: &[u8]) -> Result<Vec<Span>, Unreadable> {
    let mut spans = Vec::new();
    for field in Fields(body) {
        if let (1, Field::Bytes(resource_spans)) = field? {
            read_resource(resource_spans, &mut spans)?;
        }
    }
    Ok(spans)
}

fn read_resource(message: &[u8], spans: &mut Vec<Span>) -> Result<(), Unreadable> {
    let mut attributes = Attributes::default();
    for field in Fields(message) {
        if let (1, Field::Bytes(resource)) = field? {
            read_attributes(resource, 1, &mut attributes)?;
        }
    }
    let around = Around { emitter: Emitter::default(), attributes: Rc::new(attributes) };
    for field in Fields(message) {
        // 1000: `instrumentation_library_spans`, the name of scopes before 2022.
        if let (2 | 1_000, Field::Bytes(scope_spans)) = field? {
            read_scope(scope_spans, &around, spans)?;
        }
    }
    Ok(())
}

fn read_scope(message: &[u8], around: &Around, spans: &mut Vec<Span>) -> Result<(), Unreadable> {
    let mut around = around.clone();
    for field in Fields(message) {
        if let (1, Field::Bytes(scope)) = field? {
            for field in Fields(scope) {
                if let (1, Field::Bytes(name)) = field? {
                    around.emitter = std::str::from_utf8(name).map(Emitter::of_scope).unwrap_or_default();
                }
            }
        }
    }
    let around = Rc::new(around);
    for field in Fields(message) {
        if let (2, Field::Bytes(span)) = field? {
            if spans.len() >= SPANS_MAX {
                return Err(Unreadable::TooMany);
            }
            spans.push(read_span(span, &around)?);
        }
    }
    Ok(())
}

fn read_span(message: &[u8], around: &Rc<Around>) -> Result<Span, Unreadable> {
    let mut span = Span { around: around.clone(), ..Span::default() };
    let mut attributes = Attributes::default();
    for field in Fields(message) {
        match field? {
            (1, Field::Bytes(bytes)) => span.trace_id = id(bytes),
            (2, Field::Bytes(bytes)) => span.span_id = id(bytes),
            (4, Field::Bytes(bytes)) => span.parent_id = id(bytes),
            (7, Field::Fixed(ns)) => span.start_ns = ns,
            (8, Field::Fixed(ns)) => span.end_ns = ns,
            (9, Field::Bytes(attribute)) => read_attribute(attribute, &mut attributes)?,
            (15, Field::Bytes(status)) => {
                for field in Fields(status) {
                    if let (3, Field::Number(code)) = field? {
                        span.failed = code == 2;
                    }
                }
            }
            _ => {}
        }
    }
    span.attributes = Rc::new(attributes);
    Ok(span)
}

fn read_attributes(message: &[u8], number: u32, attributes: &mut Attributes) -> Result<(), Unreadable> {
    for field in Fields(message) {
        if let (at, Field::Bytes(attribute)) = field?
            && at == number
        {
            read_attribute(attribute, attributes)?;
        }
    }
    Ok(())
}

fn read_attribute(message: &[u8], attributes: &mut Attributes) -> Result<(), Unreadable> {
    let (mut key, mut value) = (&[][..], &[][..]);
    for field in Fields(message) {
        match field? {
            (1, Field::Bytes(bytes)) => key = bytes,
            (2, Field::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    attributes.add(key, || read_value(value));
    Ok(())
}

/// `None` where there is no value.
fn read_value(bytes: &[u8]) -> Option<Value> {
    if bytes.is_empty() {
        return None;
    }
    if bytes.len() > VALUE_BYTES_MAX {
        return Some(Value::Other);
    }
    Some(match AnyValue::decode(bytes).unwrap_or_default() {
        AnyValue { text: Some(text), .. } => Value::Text(text),
        AnyValue { flag: Some(flag), .. } => Value::Flag(flag),
        AnyValue { whole: Some(whole), .. } => Value::Whole(whole),
        AnyValue { number: Some(number), .. } => Value::Number(number),
        AnyValue { list: Some(list), .. } => {
            Value::Texts(list.values.into_iter().filter_map(|item| item.text).take(LIST_TEXTS_MAX).collect())
        }
        _ => Value::Other,
    })
}

/// The fields of a message, by number, in order. What a field holds is not decoded before it is asked for.
struct Fields<'a>(&'a [u8]);

enum Field<'a> {
    /// A variable-length number.
    Number(u64),
    /// Eight bytes.
    Fixed(u64),
    /// A text, bytes or a message.
    Bytes(&'a [u8]),
    /// Four bytes: no field that is read.
    Four,
}

impl<'a> Fields<'a> {
    fn next_field(&mut self) -> Option<(u32, Field<'a>)> {
        let key = self.number()?;
        let field = match key & 7 {
            0 => Field::Number(self.number()?),
            1 => Field::Fixed(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Field::Four)?,
            // Groups went out of use long before there was OTLP.
            _ => return None,
        };
        Some((u32::try_from(key >> 3).ok().filter(|number| *number > 0)?, field))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        prost::encoding::decode_varint(&mut self.0).ok()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Field<'a>), Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.next_field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(Unreadable::Broken))
    }
}
