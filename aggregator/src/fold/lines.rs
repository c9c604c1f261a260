//! Buckets of a day as they are stored: each line of the bill is told once, and buckets tell it by its place. Its words are most of
//! what a day would weigh.

use std::collections::BTreeMap;

use schemas::FlatMap;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};

use super::Bucket;
use super::cost::{Amount, Line, Spend};
use super::operations::Requests;
use super::safety::Safety;
use super::sentiment::Sentiment;
use super::usage::Activity;

#[derive(Serialize)]
struct Told<'a> {
    lines: Vec<&'a Line>,
    buckets: Vec<BucketTold<'a>>,
}

#[derive(Serialize)]
struct BucketTold<'a> {
    at: i32,
    cost: Vec<(usize, &'a Amount)>,
    usage: &'a Activity,
    operations: &'a Requests,
    safety: &'a Safety,
    sentiment: &'a Option<Box<Sentiment>>,
}

#[derive(Deserialize)]
struct Stored {
    lines: Vec<Line>,
    buckets: Vec<BucketStored>,
}

#[derive(Deserialize)]
struct BucketStored {
    at: i32,
    cost: Vec<(usize, Amount)>,
    usage: Activity,
    operations: Requests,
    safety: Safety,
    #[serde(default)]
    sentiment: Option<Box<Sentiment>>,
}

pub(super) fn serialize<S: Serializer>(buckets: &BTreeMap<i32, Bucket>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut places: FlatMap<&Line, usize> = FlatMap::new();
    for line in buckets.values().flat_map(|bucket| bucket.cost.lines.keys()) {
        places.entry(line).or_default();
    }
    places.values_mut().enumerate().for_each(|(at, place)| *place = at);
    let mut told = Vec::with_capacity(buckets.len());
    for (at, Bucket { cost, usage, operations, safety, sentiment }) in buckets {
        let place = |line| places.get(&line).copied().unwrap_or_default();
        let cost = cost.lines.iter().map(|(line, amount)| (place(line), amount)).collect();
        told.push(BucketTold { at: *at, cost, usage, operations, safety, sentiment });
    }
    Told { lines: places.keys().copied().collect(), buckets: told }.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<i32, Bucket>, D::Error> {
    let Stored { lines, buckets } = Stored::deserialize(deserializer)?;
    let mut all = BTreeMap::new();
    for BucketStored { at, cost, usage, operations, safety, sentiment } in buckets {
        let mut spend = Spend::default();
        for (place, amount) in cost {
            let line = lines.get(place).ok_or_else(|| D::Error::custom("no such line"))?;
            spend.lines.insert(line.clone(), amount);
        }
        all.insert(at, Bucket { cost: spend, usage, operations, safety, sentiment });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::{decode, encode};

    #[test]
    fn a_line_that_is_not_there_is_an_error() {
        let bucket =
            (0, [(1, Amount::default())], Activity::default(), Requests::default(), Safety::default(), None::<()>);
        let line = ("model", None::<()>, None::<()>, None::<()>);
        let buckets = |lines: &[_]| encode(&((lines, [&bucket]),)).unwrap();
        #[derive(Debug, Deserialize)]
        struct Read(#[serde(with = "super")] BTreeMap<i32, Bucket>);
        let read = |bytes: &[u8]| decode::<(Read,)>(bytes).map(|(Read(buckets),)| buckets);
        assert_eq!(read(&buckets(&[line, line])).unwrap()[&0].cost.lines.len(), 1);
        assert!(read(&buckets(&[line])).is_err());
    }
}
