//! What the known readers of uap-core's list cost, natively: `user_agent_baselines <uaparser|ua-parser> <regexes.yaml>`, texts on
//! standard input, one a line. Prints the CPU up to and with the first text, of each text after it, and the memory that stays, as JSON.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::collections::BTreeMap;
use std::io::Read as _;

use serde::Deserialize;

#[derive(Deserialize)]
struct Lists {
    user_agent_parsers: Vec<BTreeMap<String, String>>,
    os_parsers: Vec<BTreeMap<String, String>>,
}

/// CPU of the first thread, milliseconds, and resident memory, bytes.
fn used() -> (f64, f64) {
    let nanoseconds = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    let nanoseconds: f64 = nanoseconds.split(' ').next().unwrap().parse().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    (nanoseconds / 1e6, resident.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (name, file) = (arguments.next().unwrap(), arguments.next().unwrap());
    let yaml = std::fs::read(file).unwrap();
    let mut texts = String::new();
    std::io::stdin().read_to_string(&mut texts).unwrap();
    let texts: Vec<&str> = texts.lines().collect();
    let before = used();
    let read: Box<dyn Fn(&str) -> usize> = match name.as_str() {
        "uaparser" => {
            use uaparser::Parser as _;
            let parser = uaparser::UserAgentParser::from_bytes(&yaml).unwrap();
            Box::new(move |text| parser.parse_user_agent(text).family.len() + parser.parse_os(text).family.len())
        }
        "ua-parser" => {
            let lists: Lists = serde_saphyr::from_slice(&yaml).unwrap();
            let (browsers, systems) = (browsers(lists.user_agent_parsers), systems(lists.os_parsers));
            Box::new(move |text| {
                let browser = browsers.extract(text).map_or(0, |told| told.family.len());
                browser + systems.extract(text).map_or(0, |told| told.os.len())
            })
        }
        _ => panic!("no such reader"),
    };
    let mut sum = read(texts.first().unwrap());
    let first = used();
    let mut rounds = 0;
    while rounds < 1 || used().0 - first.0 < 1_000.0 {
        sum += texts.iter().map(|text| read(text)).sum::<usize>();
        rounds += 1;
    }
    let last = used();
    let warm = (last.0 - first.0) * 1_000.0 / (rounds * texts.len()) as f64;
    println!(
        "{}",
        serde_json::json!({"cold_ms": first.0 - before.0, "warm_us": warm, "bytes": last.1 - before.1, "sum": sum})
    );
}

fn browsers(list: Vec<BTreeMap<String, String>>) -> ua_parser::user_agent::Extractor<'static> {
    use ua_parser::user_agent::{Builder, Parser};
    let parser = |mut one: BTreeMap<String, String>| {
        let mut field = |name: &str| one.remove(name).map(Into::into);
        Parser {
            regex: field("regex").unwrap(),
            family_replacement: field("family_replacement"),
            v1_replacement: field("v1_replacement"),
            v2_replacement: field("v2_replacement"),
            v3_replacement: field("v3_replacement"),
            v4_replacement: field("v4_replacement"),
        }
    };
    list.into_iter().fold(Builder::new(), |builder, one| builder.push(parser(one)).unwrap()).build().unwrap()
}

fn systems(list: Vec<BTreeMap<String, String>>) -> ua_parser::os::Extractor<'static> {
    use ua_parser::os::{Builder, Parser};
    let parser = |mut one: BTreeMap<String, String>| {
        let mut field = |name: &str| one.remove(name).map(Into::into);
        Parser {
            regex: field("regex").unwrap(),
            os_replacement: field("os_replacement"),
            os_v1_replacement: field("os_v1_replacement"),
            os_v2_replacement: field("os_v2_replacement"),
            os_v3_replacement: field("os_v3_replacement"),
            os_v4_replacement: field("os_v4_replacement"),
        }
    };
    list.into_iter().fold(Builder::new(), |builder, one| builder.push(parser(one)).unwrap()).build().unwrap()
}
