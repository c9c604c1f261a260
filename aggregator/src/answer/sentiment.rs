//! The sentiment panel: what is felt in sessions, frustration, wishes, the audit.

use chrono::Datelike;
use schemas::event::{Emotion, FrustrationFlag, KanoTier};
use schemas::{Bucket15, FlatMap, UtcDay, order};
use std::cmp::Reverse;

use super::Facts;
use super::json::{Json, Members, object, word};
use super::metric::{Metric, Unit};
use super::usage::series;
use crate::census::Census;
use crate::civil;
use crate::fold::named::NamedTotals;
use crate::fold::names::{Additive, NONE, OTHER, Rate};
use crate::fold::notices::Notices;
use crate::fold::sentiment::{MICROS, Sentiment, TIERS, TurnNumber, Wish};
use crate::zone::Zone;

/// Most wishes in an answer.
const WISHES_SHOWN: usize = 20;
/// Most intents and versions in an answer.
const NAMES_SHOWN: usize = 50;
/// Quarters of an hour in an hour, and in a day.
const QUARTERS: (i64, i64) = (4, 96);

pub(super) fn answer(facts: &Facts<'_>, named: &NamedTotals, tz: Zone) -> Json {
    let window = &facts.query.window;
    let all = facts.counted.range(window.from, window.to);
    let seen = all.sentiment.as_deref().cloned().unwrap_or_default();
    let all = seen.observations();
    let last_words = facts.counted.last_words_ever();
    let notices = &last_words.notices;
    let hours = by_hour(facts, tz);
    let census = facts.census();
    let by_model = census.map_or(Json::Null, |census| object!({ "by_model": by_model(census, all) }));
    let emotions = census.map_or(Json::Null, |census| emotions(facts, census));
    let panel = object!({
        "observations": Metric::count(all.n),
        "frustration": object!({
            "rate": Metric::of_rate(all),
            "flags": seen.flags.iter().map(|(flag, n)| Metric::count(*n).in_bucket(flag_name(*flag))).collect::<Json>(),
            "by_intent": rates(with_rest(&mut named.intents.iter().map(|(name, intent)| (name, intent.observed)), all)),
            "by_model_version": rates(named.sentinels.iter().map(|(name, rate)| (name.clone(), *rate)).collect()),
            "by_hour": hours.iter().map(|(hour, seen)| {
                Metric::of_rate(seen.observations()).in_bucket(format!("{hour:02}"))
            }).collect::<Json>(),
            "by_turn_number": seen.by_turn.iter().map(|(turn, rate)| {
                Metric::of_rate(*rate).in_bucket(turn.name())
            }).collect::<Json>(),
            "heatmap": hours.iter().flat_map(|(hour, seen)| seen.by_turn.iter().map(move |(turn, rate)| {
                cell(*hour, *turn, *rate)
            })).collect::<Json>(),
        }).with(by_model),
        "wishes": wishes(&named.wishes, notices),
        "wish_weights": TIERS.iter().map(|tier| (word(tier), weight(*tier))).collect::<Members>(),
        "audit": { "weeks": audit(facts, notices) },
        "moments": { "handed_in": Metric::count(seen.moments) },
    });
    panel.with(emotions)
}

/// Sessions by their dominant emotion.
fn emotions(facts: &Facts<'_>, census: &Census) -> Json {
    let sessions = &census.sessions;
    let all: u64 = sessions.emotions.iter().sum();
    let of = |counts: &[u64], emotion: Emotion| counts.get(emotion as usize).copied().unwrap_or(0);
    let names = Emotion::ALL.map(word);
    let emotions = names.iter().zip(Emotion::ALL).map(|(name, emotion)| {
        let n = of(&sessions.emotions, emotion);
        Metric::share(n, all).in_bucket(name.clone()).with(object!({ "sessions": n }))
    });
    let by_day: Vec<u64> = sessions.emotions_by_day.iter().map(|counts| counts.iter().sum()).collect();
    let rows = series(facts, &by_day).into_iter().zip(&sessions.emotions_by_day).map(|(row, counts)| {
        let named: Members =
            names.iter().zip(Emotion::ALL).map(|(name, emotion)| (name.clone(), of(counts, emotion))).collect();
        row.with(object!({ "by_emotion": named }))
    });
    object!({ "emotions": emotions.collect::<Json>(), "emotions_by_day": rows.collect::<Json>() })
}

/// Frustration by the model of the session's last turn. What belongs to no thread is no one's model's.
fn by_model(census: &Census, all: Rate) -> Vec<Json> {
    let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let mut named = census
        .sessions
        .frustration_by_model
        .iter()
        .filter_map(|(model, (n, hits))| Some((model.as_ref()?, Rate { n: count(*n), hits: count(*hits) })));
    let rows = with_rest(&mut named, all);
    rows.iter().map(|(name, rate)| Metric::of_rate(*rate).in_bucket(name.to_owned())).collect()
}

fn cell(hour: u8, turn: TurnNumber, rate: Rate) -> Json {
    Metric::of_rate(rate).in_bucket(format!("{hour:02}-{}", turn.name()))
}

/// Observations by hour of the day in a zone: between two changes of its offset every quarter of the UTC day lies in one hour.
fn by_hour(facts: &Facts<'_>, tz: Zone) -> FlatMap<u8, Sentiment> {
    let window = &facts.query.window;
    let mut hours: FlatMap<u8, Sentiment> = FlatMap::new();
    for span in tz.spans() {
        let bucket = |ms: i64| Bucket15(i32::try_from(ms.div_euclid(schemas::time::BUCKET_MS)).unwrap_or(i32::MAX));
        let from = if span.from == i64::MIN { window.from } else { window.from.max(bucket(span.from)) };
        let to = if span.to == i64::MAX { window.to } else { window.to.min(bucket(span.to)) };
        if from >= to {
            continue;
        }
        for (quarter, seen) in &facts.counted.sentiment_by_quarter(from, to).0 {
            let local = i64::from(*quarter) + span.offset_ms / schemas::time::BUCKET_MS;
            let hour = u8::try_from(local.rem_euclid(QUARTERS.1) / QUARTERS.0).unwrap_or(0);
            Additive::merge(hours.entry(hour).or_default(), seen);
        }
    }
    hours
}

/// Rates by name, and before them what is left of the whole, under [`NONE`].
pub(super) fn with_rest(named: &mut dyn Iterator<Item = (&String, Rate)>, whole: Rate) -> Vec<(String, Rate)> {
    let mut rest = whole;
    let mut rows: Vec<(String, Rate)> = Vec::new();
    for (name, rate) in named.filter(|(_, rate)| rate.n > 0) {
        rest.take_out(&rate);
        rows.push((name.clone(), rate));
    }
    if rest.n > 0 {
        rows.insert(0, (NONE.to_owned(), rest));
    }
    rows
}

/// Those with most first; the rest is one.
fn rates(mut rows: Vec<(String, Rate)>) -> Vec<Json> {
    let mut other = Rate::default();
    rows.retain(|(name, rate)| {
        let named = name != OTHER;
        if !named {
            other.merge(rate);
        }
        named
    });
    order::by(&mut rows, |(name, rate), (other, others)| (Reverse(rate.n), name).cmp(&(Reverse(others.n), other)));
    rows.drain(NAMES_SHOWN.min(rows.len())..).for_each(|(_, rate)| other.merge(&rate));
    rows.extend((other.n > 0).then(|| (OTHER.to_owned(), other)));
    rows.iter().map(|(name, rate)| Metric::of_rate(*rate).in_bucket(name.to_owned())).collect()
}

/// How much a wish of a tier weighs.
fn weight(tier: KanoTier) -> f64 {
    match tier {
        KanoTier::MustBe => 3.0,
        KanoTier::Performance => 2.0,
        KanoTier::Attractive => 2.5,
        KanoTier::Indifferent => 0.5,
    }
}

/// The tier that was named most, on a tie the heavier; performance when none was.
fn tier_of(wish: &Wish) -> KanoTier {
    let named = TIERS.into_iter().zip(wish.tiers).filter(|(_, n)| *n > 0);
    let most = named.max_by(|(tier, n), (other, others)| n.cmp(others).then(weight(*tier).total_cmp(&weight(*other))));
    most.map_or(KanoTier::Performance, |(tier, _)| tier)
}

/// The wishes that score most. Those for which a day had no room are no wish.
fn wishes(wishes: &FlatMap<String, Wish>, notices: &Notices) -> Vec<Json> {
    let mut rows: Vec<(&str, &Wish, KanoTier, f64, f64)> = Vec::new();
    for (tag, wish) in wishes.iter().filter(|(tag, wish)| *tag != OTHER && wish.count > 0) {
        let tier = tier_of(wish);
        let confidence = wish.confidence_micros as f64 / MICROS / f64::from(wish.count);
        // frequency × confidence is the sum of confidences: one division less.
        let score = weight(tier) * wish.confidence_micros as f64 / MICROS;
        rows.push((tag, wish, tier, confidence, score));
    }
    order::by(&mut rows, |a, b| b.4.total_cmp(&a.4).then(a.0.cmp(b.0)));
    rows.truncate(WISHES_SHOWN);
    let row = |(tag, wish, tier, confidence, score): (&str, &Wish, KanoTier, f64, f64)| {
        let status = notices.wishes.get(tag).map_or("open".to_owned(), |(_, status)| word(status));
        Metric::exact(score, Unit::Score, wish.count.into()).in_bucket(tag.to_owned()).with(object!({
            "frequency": Metric::count(wish.count),
            "tier": word(tier),
            "weight": weight(tier),
            "confidence": confidence,
            "status": status,
        }))
    };
    rows.into_iter().map(row).collect()
}

/// The weeks that the window touches, each whole: what is sampled, and what humans found.
fn audit(facts: &Facts<'_>, notices: &Notices) -> Vec<Json> {
    let window = &facts.query.window;
    let monday = |day: UtcDay| UtcDay(day.0 - i32::try_from(weekday(day)).unwrap_or(0));
    let (first, last) = (monday(window.from.utc_day()), Bucket15(window.to.0 - 1).utc_day());
    let weeks = (0..).map(|week| UtcDay(first.0.saturating_add(week * 7))).take_while(|week| *week <= last);
    let row = |week: UtcDay| {
        let (from, to) = (week.first_bucket(), UtcDay(week.0 + 7).first_bucket());
        let sampled = facts.counted.range(from, to).sentiment.as_ref().map_or(0, |sentiment| sentiment.sampled);
        let ids: Vec<String> = facts.counted.sample(from, to).0.iter().map(ToString::to_string).collect();
        let audit = notices.audits.get(&week).map(|(_, audit)| *audit);
        (sampled > 0 || audit.is_some()).then(|| {
            Metric::count(sampled).in_bucket(week.start().utc_date().to_string()).with(object!({
                "ids": ids,
                "checked": audit.map(|audit| Metric::count(audit.checked)),
                "agreed": audit.map(|audit| Metric::count(audit.agreed)),
                "agreement": audit.map(|audit| Metric::share(audit.agreed, audit.checked)),
            }))
        })
    };
    weeks.filter_map(row).collect()
}

/// Days since Monday.
fn weekday(day: UtcDay) -> u32 {
    civil::date_of(Zone::UTC, day.start()).weekday().num_days_from_monday()
}

fn flag_name(flag: FrustrationFlag) -> &'static str {
    use FrustrationFlag::{AskedForHuman, GaveUp, Misunderstood, Repeated, Rephrased, StrongLanguage};
    match flag {
        Repeated => "repeated",
        Rephrased => "rephrased",
        Misunderstood => "misunderstood",
        StrongLanguage => "strong_language",
        AskedForHuman => "asked_for_human",
        GaveUp => "gave_up",
    }
}
