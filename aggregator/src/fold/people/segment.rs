//! Facts of many owners over a stretch of time, as bytes: integers of variable length, differences where things ascend, and the words
//! that they speak of. Equal facts make equal bytes.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use schemas::event::{Cohort, Country, Emotion, PlatformEvent, UtcOffset};
use schemas::{Bucket15, Label, NanoUsd, order, packed};

use super::facts::{Entry, Facts, Mark, MarkKind, Mention, Mood, Owner, ThreadId, Track, Visit};
use super::words::{CohortNo, WordNo, Words};
use crate::fold::CodecError;

/// Facts by owner.
pub type Segment = BTreeMap<Owner, Facts>;

const FORMAT: u8 = 1;

/// The mark of a wish, out of the way of more [`PlatformEvent::ALL`].
const WISH: u8 = u8::MAX;

/// Facts as bytes.
#[must_use]
pub fn encode(segment: &Segment, words: &Words) -> Vec<u8> {
    let tables = Tables::of(segment, words);
    let mut out = Writer(packed::Writer::default());
    out.byte(FORMAT);
    out.unsigned(tables.words.len() as u64);
    for number in &tables.words {
        out.label_or_none(words.word(*number));
    }
    out.unsigned(tables.cohorts.len() as u64);
    for number in &tables.cohorts {
        out.cohort(words.cohort(*number), |plan| words.find(plan).map_or(0, |plan| tables.word(plan)));
    }
    out.unsigned(segment.len() as u64);
    for (owner, facts) in segment {
        out.owner(owner);
        out.facts(facts, &tables);
    }
    out.0.0
}

/// The facts of these bytes.
///
/// # Errors
/// [`CodecError`] when they were not made by [`encode`].
pub fn decode(bytes: &[u8], words: &mut Words) -> Result<Segment, CodecError> {
    let mut input = Reader(packed::Reader(bytes));
    if input.byte()? != FORMAT {
        return Err(CodecError);
    }
    let mut named: Vec<WordNo> = vec![0];
    let mut labels: Vec<Option<Label>> = vec![None];
    for _ in 0..input.count()? {
        let label = input.label()?;
        named.push(words.number(&label));
        labels.push(Some(label));
    }
    let mut cohorts: Vec<CohortNo> = vec![0];
    for _ in 0..input.count()? {
        let cohort = input.cohort(&labels)?;
        cohorts.push(words.cohort_number(&cohort));
    }
    let tables = Tables { words: named, cohorts, ranks: BTreeMap::new(), cohort_ranks: BTreeMap::new() };
    let mut segment = Segment::new();
    for _ in 0..input.count()? {
        let owner = input.owner()?;
        let facts = input.facts(&tables)?;
        segment.insert(owner, facts);
    }
    if input.is_at_end() { Ok(segment) } else { Err(CodecError) }
}

/// The words of one segment in the order of the alphabet; in bytes they go by their place there, from 1.
#[derive(Default)]
struct Tables {
    words: Vec<WordNo>,
    cohorts: Vec<CohortNo>,
    ranks: BTreeMap<WordNo, u64>,
    cohort_ranks: BTreeMap<CohortNo, u64>,
}

impl Tables {
    fn of(segment: &Segment, words: &Words) -> Self {
        let mut tables = Self::default();
        for facts in segment.values() {
            tables.cohort_ranks.extend(facts.entries.iter().map(|entry| (entry.cohort, 0)));
            for track in facts.threads.values() {
                for visit in &track.visits {
                    tables.cohort_ranks.insert(visit.cohort, 0);
                    tables.ranks.insert(visit.model, 0);
                }
                tables.ranks.extend(track.mentions.iter().map(|mention| (mention.intent, 0)));
            }
            tables.ranks.extend(facts.marks.iter().map(|mark| (mark.name, 0)));
        }
        tables.cohort_ranks.remove(&0);
        for cohort in tables.cohort_ranks.keys() {
            let plan = words.cohort(*cohort).plan.as_ref().and_then(|plan| words.find(plan));
            tables.ranks.extend(plan.map(|plan| (plan, 0)));
        }
        tables.ranks.remove(&0);
        tables.words = tables.ranks.keys().copied().collect();
        order::by(&mut tables.words, |a, b| words.word(*a).cmp(&words.word(*b)));
        tables.ranks = order::map(tables.words.iter().copied().zip(1..));
        tables.cohorts = tables.cohort_ranks.keys().copied().collect();
        order::by(&mut tables.cohorts, |a, b| words.cohort(*a).cmp(words.cohort(*b)));
        tables.cohort_ranks = order::map(tables.cohorts.iter().copied().zip(1..));
        tables
    }

    fn word(&self, number: WordNo) -> u64 {
        self.ranks.get(&number).copied().unwrap_or(0)
    }

    fn cohort(&self, number: CohortNo) -> u64 {
        self.cohort_ranks.get(&number).copied().unwrap_or(0)
    }

    fn word_at(&self, rank: u64) -> Result<WordNo, CodecError> {
        self.words.get(rank as usize).copied().ok_or(CodecError)
    }

    fn cohort_at(&self, rank: u64) -> Result<CohortNo, CodecError> {
        self.cohorts.get(rank as usize).copied().ok_or(CodecError)
    }
}

struct Writer(packed::Writer);

impl Deref for Writer {
    type Target = packed::Writer;

    fn deref(&self) -> &packed::Writer {
        &self.0
    }
}

impl DerefMut for Writer {
    fn deref_mut(&mut self) -> &mut packed::Writer {
        &mut self.0
    }
}

impl Writer {
    fn owner(&mut self, owner: &Owner) {
        match owner {
            Owner::User(user) => {
                self.byte(0);
                self.key(user);
            }
            Owner::Thread(thread) => self.thread(*thread),
        }
    }

    fn thread(&mut self, thread: ThreadId) {
        self.byte(1 + u8::from(thread.is_session));
        self.bytes(&thread.bits.to_be_bytes());
    }

    fn cohort(&mut self, cohort: &Cohort, plan: impl Fn(&Label) -> u64) {
        match &cohort.country {
            Some(country) => self.bytes(country.as_str().as_bytes()),
            None => self.bytes(&[0, 0]),
        }
        self.unsigned(cohort.utc_offset_minutes.map_or(0, |offset| (offset.minutes() / 15 + 49) as u64));
        self.unsigned(cohort.plan.as_ref().map_or(0, plan));
        self.byte(cohort.guest.map_or(0, |guest| 1 + u8::from(guest)));
    }

    fn facts(&mut self, facts: &Facts, tables: &Tables) {
        self.unsigned(facts.entries.len() as u64);
        let mut entries: Vec<&Entry> = facts.entries.iter().collect();
        order::by_key(&mut entries, |entry| (entry.bucket, tables.cohort(entry.cohort)));
        let mut last = 0;
        for entry in entries {
            self.signed(i64::from(entry.bucket.0) - last);
            last = i64::from(entry.bucket.0);
            self.unsigned(tables.cohort(entry.cohort));
            self.unsigned(entry.turns.into());
            self.unsigned(entry.turns_ok.into());
            self.unsigned(entry.priced.into());
            self.signed(entry.nano_usd.0);
            self.signed(entry.services.0);
        }
        self.unsigned(facts.threads.len() as u64);
        for (thread, track) in &facts.threads {
            self.thread(*thread);
            self.track(track, tables);
        }
        self.unsigned(facts.marks.len() as u64);
        let mut marks: Vec<&Mark> = facts.marks.iter().collect();
        order::by_key(&mut marks, |mark| (mark.ts_ms, mark.kind, tables.word(mark.name), mark.days));
        let mut last = 0;
        for mark in marks {
            self.signed(mark.ts_ms - last);
            last = mark.ts_ms;
            self.byte(match mark.kind {
                MarkKind::Journey => 0,
                MarkKind::Step => 1,
                MarkKind::Error => 2,
                MarkKind::Platform(event) => 3 + place(&PlatformEvent::ALL, &event),
                MarkKind::Wish => WISH,
            });
            self.unsigned(tables.word(mark.name));
            self.signed(mark.days.map_or(0, |days| if days < 0 { i64::from(days) } else { i64::from(days) + 1 }));
        }
    }

    fn track(&mut self, track: &Track, tables: &Tables) {
        self.unsigned(track.visits.len() as u64);
        let mut last = 0;
        for visit in &track.visits {
            self.signed(visit.start_ms - last);
            self.unsigned((visit.end_ms - visit.start_ms) as u64);
            last = visit.end_ms;
            self.unsigned(visit.turns.into());
            self.unsigned(visit.turns_ok.into());
            self.signed(visit.nano_usd.0);
            self.unsigned(visit.tokens);
            self.unsigned(tables.cohort(visit.cohort));
            self.unsigned(tables.word(visit.model) << 1 | u64::from(visit.last_ok));
        }
        self.unsigned(track.moods.len() as u64);
        let mut last = 0;
        for mood in &track.moods {
            self.signed(mood.ts_ms - last);
            last = mood.ts_ms;
            let emotion = place(&Emotion::ALL, &mood.emotion);
            self.byte(emotion << 3 | (mood.intensity & 3) << 1 | u8::from(mood.frustrated));
        }
        self.unsigned(track.mentions.len() as u64);
        let mut mentions: Vec<&Mention> = track.mentions.iter().collect();
        order::by_key(&mut mentions, |mention| (mention.ts_ms, tables.word(mention.intent)));
        let mut last = 0;
        for mention in mentions {
            self.signed(mention.ts_ms - last);
            last = mention.ts_ms;
            self.unsigned(tables.word(mention.intent));
        }
    }
}

fn place<T: PartialEq>(all: &[T], thing: &T) -> u8 {
    all.iter().position(|other| other == thing).unwrap_or(0) as u8
}

struct Reader<'a>(packed::Reader<'a>);

impl<'a> Deref for Reader<'a> {
    type Target = packed::Reader<'a>;

    fn deref(&self) -> &packed::Reader<'a> {
        &self.0
    }
}

impl<'a> DerefMut for Reader<'a> {
    fn deref_mut(&mut self) -> &mut packed::Reader<'a> {
        &mut self.0
    }
}

impl Reader<'_> {
    fn owner(&mut self) -> Result<Owner, CodecError> {
        match self.byte()? {
            0 => Ok(Owner::User(self.key()?)),
            kind => Ok(Owner::Thread(self.thread_of(kind)?)),
        }
    }

    fn thread_of(&mut self, kind: u8) -> Result<ThreadId, CodecError> {
        let bits = u64::from_be_bytes(self.take(8)?.try_into().map_err(|_| CodecError)?);
        match kind {
            1 => Ok(ThreadId { is_session: false, bits }),
            2 => Ok(ThreadId { is_session: true, bits }),
            _ => Err(CodecError),
        }
    }

    fn cohort(&mut self, labels: &[Option<Label>]) -> Result<Cohort, CodecError> {
        let country = match self.take(2)? {
            [0, 0] => None,
            bytes => Some(std::str::from_utf8(bytes).ok().and_then(Country::parse).ok_or(CodecError)?),
        };
        let utc_offset_minutes = match self.unsigned()? {
            0 => None,
            quarters => {
                let quarters = i16::try_from(quarters).map_err(|_| CodecError)? - 49;
                Some(UtcOffset::new(quarters.checked_mul(15).ok_or(CodecError)?).ok_or(CodecError)?)
            }
        };
        let plan = labels.get(self.unsigned()? as usize).ok_or(CodecError)?.clone();
        let guest = match self.byte()? {
            0 => None,
            guest => Some(guest == 2),
        };
        Ok(Cohort { country, utc_offset_minutes, plan, guest })
    }

    fn facts(&mut self, tables: &Tables) -> Result<Facts, CodecError> {
        let mut facts = Facts::default();
        let count = self.count()?;
        facts.entries.reserve_exact(count);
        let mut last = 0;
        for _ in 0..count {
            last += self.signed()?;
            let entry = Entry {
                bucket: Bucket15(i32::try_from(last).map_err(|_| CodecError)?),
                cohort: tables.cohort_at(self.unsigned()?)?,
                turns: self.small()?,
                turns_ok: self.small()?,
                priced: self.small()?,
                nano_usd: NanoUsd(self.signed()?),
                services: NanoUsd(self.signed()?),
            };
            facts.entries.push(entry);
        }
        // Numbers of attributes differ from life to life of the object.
        order::by_key(&mut facts.entries, |entry| (entry.bucket, entry.cohort));
        for _ in 0..self.count()? {
            let kind = self.byte()?;
            let thread = self.thread_of(kind)?;
            let track = self.track(tables)?;
            facts.threads.insert(thread, track);
        }
        let count = self.count()?;
        facts.marks.reserve_exact(count);
        let mut last = 0;
        for _ in 0..count {
            last += self.signed()?;
            let kind = match self.byte()? {
                0 => MarkKind::Journey,
                1 => MarkKind::Step,
                2 => MarkKind::Error,
                WISH => MarkKind::Wish,
                event => {
                    let event = PlatformEvent::ALL.get(usize::from(event - 3)).ok_or(CodecError)?;
                    MarkKind::Platform(*event)
                }
            };
            let name = tables.word_at(self.unsigned()?)?;
            let days = match self.signed()? {
                0 => None,
                days if days < 0 => Some(i32::try_from(days).map_err(|_| CodecError)?),
                days => Some(i32::try_from(days - 1).map_err(|_| CodecError)?),
            };
            facts.marks.push(Mark { ts_ms: last, kind, name, days });
        }
        order::ascending(&mut facts.marks);
        Ok(facts)
    }

    fn track(&mut self, tables: &Tables) -> Result<Track, CodecError> {
        let mut track = Track::default();
        let count = self.count()?;
        track.visits.reserve_exact(count);
        let mut last = 0;
        for _ in 0..count {
            let start_ms = last + self.signed()?;
            let end_ms = start_ms + i64::try_from(self.unsigned()?).map_err(|_| CodecError)?;
            last = end_ms;
            let (turns, turns_ok) = (self.small()?, self.small()?);
            let (nano_usd, tokens) = (NanoUsd(self.signed()?), self.unsigned()?);
            let cohort = tables.cohort_at(self.unsigned()?)?;
            let model = self.unsigned()?;
            let (model, last_ok) = (tables.word_at(model >> 1)?, model & 1 == 1);
            track.visits.push(Visit { start_ms, end_ms, turns, turns_ok, nano_usd, tokens, cohort, last_ok, model });
        }
        let count = self.count()?;
        track.moods.reserve_exact(count);
        let mut last = 0;
        for _ in 0..count {
            last += self.signed()?;
            let packed = self.byte()?;
            let emotion = *Emotion::ALL.get(usize::from(packed >> 3)).ok_or(CodecError)?;
            track.moods.push(Mood { ts_ms: last, emotion, intensity: packed >> 1 & 3, frustrated: packed & 1 == 1 });
        }
        let count = self.count()?;
        track.mentions.reserve_exact(count);
        let mut last = 0;
        for _ in 0..count {
            last += self.signed()?;
            track.mentions.push(Mention { ts_ms: last, intent: tables.word_at(self.unsigned()?)? });
        }
        order::ascending(&mut track.mentions);
        Ok(track)
    }
}
