//! JSON that is made once and written once. Names of members are seldom made anew and a number takes one piece of memory: a year's
//! answer has ten thousand numbers, and of `serde_json`'s maps each would take ten pieces.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::metric::{Metric, Number};

/// A text that is often a constant.
pub type Text = Cow<'static, str>;

/// A JSON value.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub enum Json {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
    Array(Vec<Json>),
    Object(Members),
    /// A number with what must be known to read it, and what else stands beside it.
    Row(Box<Row>),
}

/// Members of an object, in the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members(Vec<(Text, Json)>);

/// A metric, the bucket of the series that it belongs to, and further members.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    metric: Metric,
    bucket: Option<Text>,
    more: Members,
}

impl Json {
    /// With the members of another object, none of which it has.
    #[must_use]
    pub fn with(mut self, more: Self) -> Self {
        let members = match &mut self {
            Self::Object(members) => members,
            Self::Row(row) => &mut row.more,
            _ => return self,
        };
        if let Self::Object(more) = more {
            members.0.extend(more.0);
        }
        self
    }

    /// Marks every metric in it as not exact.
    pub fn mark_inexact(&mut self) {
        match self {
            Self::Array(items) => items.iter_mut().for_each(Self::mark_inexact),
            Self::Object(members) => members.mark_inexact(),
            Self::Row(row) => {
                row.metric.exact = false;
                row.more.mark_inexact();
            }
            _ => {}
        }
    }
}

impl Members {
    /// Adds a member that is not there yet.
    pub fn insert(&mut self, name: impl Into<Text>, value: impl Into<Json>) {
        self.0.push((name.into(), value.into()));
    }

    fn mark_inexact(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| value.mark_inexact());
    }
}

impl Metric {
    /// As JSON, with the series bucket that it belongs to.
    #[must_use]
    pub fn in_bucket(self, bucket: impl Into<Text>) -> Json {
        Row::of(self, Some(bucket.into()))
    }
}

impl Row {
    fn of(metric: Metric, bucket: Option<Text>) -> Json {
        Json::Row(Box::new(Self { metric, bucket, more: Members::default() }))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(members) => serializer.collect_map(members.0.iter().map(|(name, value)| (name, value))),
            Self::Row(row) => {
                let mut map = serializer.serialize_map(None)?;
                if let Some(bucket) = &row.bucket {
                    map.serialize_entry("bucket", bucket)?;
                }
                row.metric.write(&mut map)?;
                for (name, value) in &row.more.0 {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

macro_rules! numbers {
    ($($kind:ty),+) => {
        $(impl From<$kind> for Json {
            fn from(n: $kind) -> Self {
                Self::Number(n.into())
            }
        })+
    };
}
numbers!(u64, u32, u8, usize, i64, i32, f64);

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&'static str> for Json {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Metric> for Json {
    fn from(metric: Metric) -> Self {
        Row::of(metric, None)
    }
}

impl From<Members> for Json {
    fn from(members: Members) -> Self {
        Self::Object(members)
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(items: Vec<T>) -> Self {
        items.into_iter().collect()
    }
}

impl<T: Into<Json>, const N: usize> From<[T; N]> for Json {
    fn from(items: [T; N]) -> Self {
        items.into_iter().collect()
    }
}

impl<T: Into<Json>> FromIterator<T> for Json {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<N: Into<Text>, T: Into<Json>> FromIterator<(N, T)> for Members {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(members: I) -> Self {
        Self(members.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// What a unit variant is called.
pub(super) fn word(variant: impl Serialize) -> String {
    serde_json::json!(variant).as_str().unwrap_or_default().to_owned()
}

/// An object of constant names. Its values are anything that becomes [`Json`]; braces make an object in it.
macro_rules! object {
    ({ $($members:tt)* }) => {{
        #[allow(unused_mut)]
        let mut members = $crate::answer::json::Members::default();
        $crate::answer::json::object!(@into members $($members)*);
        $crate::answer::json::Json::Object(members)
    }};
    (@into $into:ident) => {};
    (@into $into:ident $name:literal: { $($inner:tt)* } $(, $($rest:tt)*)?) => {
        $into.insert($name, $crate::answer::json::object!({ $($inner)* }));
        $($crate::answer::json::object!(@into $into $($rest)*);)?
    };
    (@into $into:ident $name:literal: $value:expr $(, $($rest:tt)*)?) => {
        $into.insert($name, $value);
        $($crate::answer::json::object!(@into $into $($rest)*);)?
    };
}
pub(super) use object;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::metric::Unit;

    fn text(value: impl Into<Json>) -> String {
        serde_json::to_string(&value.into()).unwrap()
    }

    #[test]
    fn it_is_written_as_it_was_made() {
        let all = object!({
            "null": Json::Null, "none": None::<u64>, "some": Some(-7_i64), "is": true, "n": u64::MAX, "off": 0.1,
            "nothing": f64::NAN, "text": "a \"b\"\n", "list": vec![1_u32, 2], "in": { "it": {}, "x": ["a", "b"] },
        });
        let wanted = concat!(
            r#"{"null":null,"none":null,"some":-7,"is":true,"n":18446744073709551615,"off":0.1,"#,
            r#""nothing":null,"text":"a \"b\"\n","list":[1,2],"in":{"it":{},"x":["a","b"]}}"#
        );
        assert_eq!(text(all), wanted);
        assert_eq!(text(object!({})), "{}");
    }

    #[test]
    fn a_row_is_a_metric_with_more() {
        let metric = Metric { error: Some(0.5), ..Metric::exact(3_u64, Unit::Tokens, 2) };
        let mut row = metric.in_bucket("b").with(object!({ "part": Metric::count(1_u64) })).with(Json::Null);
        let part = r#"{"value":1,"unit":"count","ci":null,"n":1,"exact":true,"hidden":null}"#;
        let whole = |exact, part: &str| {
            format!(
                r#"{{"bucket":"b","value":3,"unit":"tokens","ci":null,"n":2,"exact":{exact},"hidden":null,"error":0.5,"part":{part}}}"#
            )
        };
        assert_eq!(text(row.clone()), whole(true, part));
        row.mark_inexact();
        assert_eq!(text(vec![row]), format!("[{}]", whole(false, &part.replace("true", "false"))));
        assert_eq!(serde_json::to_string(&metric).unwrap(), text(metric));
    }
}
