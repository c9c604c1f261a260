//! Packs the time zones: what IANA's database says of each from 2020 on, at a fortieth of its size.
//!
//! Zones that change their clocks alike share one rhythm, the gaps between the changes; a zone is where it starts, and a rhythm.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

/// 2020-01-01 and 2100-01-01 UTC, in quarters of an hour since 1970: no event is older, and the database's rules end there.
const FROM: i64 = 1_753_152;
const UNTIL: i64 = 4_558_176;
/// Two changes are at least so far from one another that a step of six days does not miss both (Gaza, 2072: 6.9 days).
const STEP: i64 = 6 * 96;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let mut zones: Vec<Tz> = TZ_VARIANTS.to_vec();
    zones.sort_by_key(|zone| zone.name().to_ascii_lowercase());
    let mut rhythms: BTreeMap<Vec<(u16, i8)>, usize> = BTreeMap::new();
    let mut histories: BTreeMap<(i8, u32, usize), usize> = BTreeMap::new();
    let (mut names, mut ends, mut of) = (String::new(), String::new(), String::new());
    for zone in zones {
        let (first, start, rhythm) = history(zone);
        let next = rhythms.len();
        let rhythm = *rhythms.entry(rhythm).or_insert(next);
        let next = histories.len();
        let history = *histories.entry((first, start, rhythm)).or_insert(next);
        names.push_str(zone.name());
        let _ = write!(ends, "{},", names.len());
        let _ = write!(of, "{history},");
    }
    let mut text = format!(
        "const FROM: i64 = {FROM};\nstatic NAMES: &str = {names:?};\nstatic ENDS: &[u16] = &[{ends}];\nstatic HISTORY_OF: &[u16] = &[{of}];\n"
    );
    let mut histories: Vec<_> = histories.into_iter().collect();
    histories.sort_by_key(|(_, number)| *number);
    text.push_str("static HISTORIES: &[History] = &[\n");
    for ((quarters, first, rhythm), _) in histories {
        let _ = writeln!(text, "History {{ quarters: {quarters}, first: {first}, rhythm: {rhythm} }},");
    }
    let mut rhythms: Vec<_> = rhythms.into_iter().collect();
    rhythms.sort_by_key(|(_, number)| *number);
    text.push_str("];\nstatic RHYTHMS: &[&[(u16, i8)]] = &[\n");
    for (rhythm, _) in rhythms {
        let _ = writeln!(text, "&{rhythm:?},");
    }
    text.push_str("];\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("zones.rs");
    if let Err(error) = std::fs::write(&out, text) {
        stop(&format!("{}: {error}", out.display()));
    }
}

/// A zone's offset at the start, when it first changes (quarters of an hour since the start; 0: never), and its changes: how long
/// after the last, and by how much.
fn history(zone: Tz) -> (i8, u32, Vec<(u16, i8)>) {
    let start = quarters(zone, FROM);
    let (mut offset, mut last, mut first) = (start, FROM, 0);
    let mut rhythm: Vec<(u16, i8)> = Vec::new();
    let mut at = FROM;
    while at < UNTIL {
        let until = (at + STEP).min(UNTIL);
        if quarters(zone, until) != offset {
            let (mut before, mut after) = (at, until);
            while after - before > 1 {
                let middle = i64::midpoint(before, after);
                if quarters(zone, middle) == offset { before = middle } else { after = middle }
            }
            let mut gap = after - last;
            if rhythm.is_empty() {
                (first, gap) = (gap as u32, 0);
            }
            while gap > i64::from(u16::MAX) {
                rhythm.push((u16::MAX, 0));
                gap -= i64::from(u16::MAX);
            }
            let now = quarters(zone, after);
            rhythm.push((gap as u16, now - offset));
            (offset, last, at) = (now, after, after);
        } else {
            at = until;
        }
    }
    (start, first, rhythm)
}

/// The offset at an instant, in quarters of an hour.
fn quarters(zone: Tz, at: i64) -> i8 {
    let at: DateTime<Utc> = DateTime::from_timestamp(at * 900, 0).unwrap_or_default();
    let seconds = zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
    if seconds % 900 != 0 {
        stop(&format!("{}: {seconds} s is no multiple of a quarter of an hour", zone.name()));
    }
    (seconds / 900) as i8
}

fn stop(message: &str) -> ! {
    println!("cargo:error={message}");
    std::process::exit(1)
}
