//! Requests as exporters write them, in either encoding, for tests.

use prost::Message;
use serde_json::{Value as Json, json};

use super::reply::Encoding;

pub(super) const BOTH: [Encoding; 2] = [Encoding::Protobuf, Encoding::Json];

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Any {
    Text(String),
    Whole(i64),
    Number(f64),
    Flag(bool),
    List(Vec<Any>),
    Map(Vec<(String, Any)>),
}

impl From<&str> for Any {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}
impl From<i64> for Any {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}
impl From<f64> for Any {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}
impl From<bool> for Any {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}
impl From<&[&str]> for Any {
    fn from(texts: &[&str]) -> Self {
        Self::List(texts.iter().map(|text| (*text).into()).collect())
    }
}

pub(super) type Pairs = Vec<(String, Any)>;

/// `{"name": value, …}` as attributes.
pub(super) fn pairs(json: Json) -> Pairs {
    let Json::Object(members) = json else { panic!("an object") };
    members.into_iter().map(|(key, value)| (key, any(&value))).collect()
}

fn any(json: &Json) -> Any {
    match json {
        Json::String(text) => Any::Text(text.clone()),
        Json::Bool(flag) => Any::Flag(*flag),
        Json::Number(number) => number.as_i64().map_or_else(|| Any::Number(number.as_f64().unwrap()), Any::Whole),
        Json::Array(items) => Any::List(items.iter().map(any).collect()),
        Json::Object(members) => Any::Map(members.iter().map(|(key, value)| (key.clone(), any(value))).collect()),
        Json::Null => panic!("no attribute is null"),
    }
}

#[derive(Clone, Debug)]
pub(super) struct SampleSpan {
    pub trace_id: Vec<u8>,
    pub span_id: Vec<u8>,
    pub parent_id: Vec<u8>,
    pub name: String,
    pub start_ns: u64,
    pub end_ns: u64,
    pub attributes: Pairs,
    pub status: i32,
    pub status_message: String,
    pub events: Vec<(String, Pairs)>,
}

/// 2026-11-21T18:56:03.120Z
pub(super) const START_NS: u64 = 1_795_287_363_120_000_000;

/// A span of 1.84 s that has this number as its id.
pub(super) fn span(number: u8, attributes: Json) -> SampleSpan {
    SampleSpan {
        trace_id: vec![7; 16],
        span_id: vec![number, 1, 2, 3, 4, 5, 6, 7],
        parent_id: Vec::new(),
        name: "chat".into(),
        start_ns: START_NS,
        end_ns: START_NS + 1_840_000_000,
        attributes: pairs(attributes),
        status: 0,
        status_message: String::new(),
        events: Vec::new(),
    }
}

impl SampleSpan {
    pub(super) fn within(mut self, parent: u8) -> Self {
        self.parent_id = vec![parent, 1, 2, 3, 4, 5, 6, 7];
        self
    }

    pub(super) fn failed(mut self) -> Self {
        self.status = 2;
        self
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub resource: Pairs,
    pub scope: String,
    pub spans: Vec<SampleSpan>,
}

pub(super) fn sample(spans: Vec<SampleSpan>) -> Sample {
    Sample { spans, ..Sample::default() }
}

impl Sample {
    pub(super) fn of_scope(mut self, scope: &str) -> Self {
        self.scope = scope.into();
        self
    }

    pub(super) fn encoded(&self, encoding: Encoding) -> Vec<u8> {
        match encoding {
            Encoding::Protobuf => self.protobuf().encode_to_vec(),
            Encoding::Json => self.json().to_string().into_bytes(),
        }
    }

    pub(super) fn json(&self) -> Json {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let spans: Vec<Json> = self
            .spans
            .iter()
            .map(|span| {
                json!({
                    "traceId": hex(&span.trace_id), "spanId": hex(&span.span_id), "parentSpanId": hex(&span.parent_id), "name": span.name,
                    "kind": 3, "startTimeUnixNano": span.start_ns.to_string(), "endTimeUnixNano": span.end_ns.to_string(),
                    "attributes": json_pairs(&span.attributes), "droppedAttributesCount": 0,
                    "events": span.events.iter().map(|(name, attributes)| {
                        json!({ "timeUnixNano": "1", "name": name, "attributes": json_pairs(attributes) })
                    }).collect::<Vec<_>>(),
                    "links": [], "status": { "code": span.status, "message": span.status_message },
                })
            })
            .collect();
        json!({ "resourceSpans": [{
            "resource": { "attributes": json_pairs(&self.resource), "droppedAttributesCount": 0 },
            "scopeSpans": [{ "scope": { "name": self.scope, "version": "1" }, "spans": spans }],
        }] })
    }

    fn protobuf(&self) -> ProtoRequest {
        let spans = self.spans.iter().map(|span| ProtoSpan {
            trace_id: span.trace_id.clone(),
            span_id: span.span_id.clone(),
            trace_state: "vendor=1".into(),
            parent_span_id: span.parent_id.clone(),
            name: span.name.clone(),
            kind: 3,
            start: span.start_ns,
            end: span.end_ns,
            attributes: proto_pairs(&span.attributes),
            events: span
                .events
                .iter()
                .map(|(name, attributes)| ProtoEvent {
                    time: 1,
                    name: name.clone(),
                    attributes: proto_pairs(attributes),
                })
                .collect(),
            status: Some(ProtoStatus { message: span.status_message.clone(), code: span.status }),
            flags: 257,
        });
        ProtoRequest {
            resource_spans: vec![ProtoResourceSpans {
                resource: Some(ProtoResource { attributes: proto_pairs(&self.resource) }),
                scope_spans: vec![ProtoScopeSpans {
                    scope: Some(ProtoScope { name: self.scope.clone(), version: "1".into() }),
                    spans: spans.collect(),
                }],
                schema_url: "https://opentelemetry.io/schemas/1.37.0".into(),
            }],
        }
    }
}

fn json_pairs(pairs: &Pairs) -> Vec<Json> {
    pairs.iter().map(|(key, value)| json!({ "key": key, "value": json_value(value) })).collect()
}

fn json_value(value: &Any) -> Json {
    match value {
        Any::Text(text) => json!({ "stringValue": text }),
        Any::Whole(number) => json!({ "intValue": number.to_string() }),
        Any::Number(number) if number.is_finite() => json!({ "doubleValue": number }),
        Any::Number(number) => json!({ "doubleValue": number.to_string() }),
        Any::Flag(flag) => json!({ "boolValue": flag }),
        Any::List(items) => json!({ "arrayValue": { "values": items.iter().map(json_value).collect::<Vec<_>>() } }),
        Any::Map(members) => json!({ "kvlistValue": { "values": json_pairs(members) } }),
    }
}

fn proto_pairs(pairs: &Pairs) -> Vec<ProtoPair> {
    pairs.iter().map(|(key, value)| ProtoPair { key: key.clone(), value: Some(proto_value(value)) }).collect()
}

fn proto_value(value: &Any) -> ProtoAny {
    ProtoAny {
        kind: Some(match value {
            Any::Text(text) => Kind::Text(text.clone()),
            Any::Whole(number) => Kind::Whole(*number),
            Any::Number(number) => Kind::Number(*number),
            Any::Flag(flag) => Kind::Flag(*flag),
            Any::List(items) => Kind::List(ProtoList { values: items.iter().map(proto_value).collect() }),
            Any::Map(members) => Kind::Map(ProtoMap { values: proto_pairs(members) }),
        }),
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ProtoRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ProtoResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<ProtoResource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ProtoScopeSpans>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoResource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<ProtoPair>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<ProtoScope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<ProtoSpan>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoScope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start: u64,
    #[prost(fixed64, tag = "8")]
    end: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<ProtoPair>,
    #[prost(message, repeated, tag = "11")]
    events: Vec<ProtoEvent>,
    #[prost(message, optional, tag = "15")]
    status: Option<ProtoStatus>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoEvent {
    #[prost(fixed64, tag = "1")]
    time: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "3")]
    attributes: Vec<ProtoPair>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoStatus {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoPair {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<ProtoAny>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoAny {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Flag(bool),
    #[prost(int64, tag = "3")]
    Whole(i64),
    #[prost(double, tag = "4")]
    Number(f64),
    #[prost(message, tag = "5")]
    List(ProtoList),
    #[prost(message, tag = "6")]
    Map(ProtoMap),
}

#[derive(Clone, PartialEq, Message)]
struct ProtoList {
    #[prost(message, repeated, tag = "1")]
    values: Vec<ProtoAny>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoMap {
    #[prost(message, repeated, tag = "1")]
    values: Vec<ProtoPair>,
}
