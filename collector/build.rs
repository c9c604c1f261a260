//! Checks `sage.toml` and `prices.toml` and embeds them; turns the price list into statics and packed models, and the lists of browsers and crawlers
//! into patterns.

#[allow(dead_code, missing_docs)]
#[path = "src/user_agent/code.rs"]
mod code;
#[path = "build/leb128.rs"]
mod leb128;
#[allow(dead_code)]
#[path = "src/price/literal.rs"]
mod literal;
#[allow(dead_code)]
#[path = "src/price/own.rs"]
mod own;
#[path = "build/price_list.rs"]
mod price_list;
#[path = "build/prices.rs"]
mod prices;
#[path = "build/public_suffix.rs"]
mod public_suffix;
#[allow(dead_code, missing_docs)]
#[path = "src/settings/mod.rs"]
mod settings;
#[path = "build/toml_prices.rs"]
mod toml_prices;
#[path = "build/user_agent.rs"]
mod user_agent;
#[path = "build/user_agent_code.rs"]
mod user_agent_code;
#[path = "build/user_agent_literals.rs"]
mod user_agent_literals;
#[path = "build/user_agent_robots.rs"]
mod user_agent_robots;

use std::path::{Path, PathBuf};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    for source in [
        "build.rs",
        "build/leb128.rs",
        "build/prices.rs",
        "build/pattern.rs",
        "build/public_suffix.rs",
        "build/toml_prices.rs",
        "src/price/own.rs",
        "src/settings",
        "build/user_agent.rs",
        "build/user_agent_code.rs",
        "build/user_agent_literals.rs",
        "build/user_agent_robots.rs",
        "src/user_agent/code.rs",
    ] {
        println!("cargo:rerun-if-changed={source}");
    }
    let settings = checked_settings(&read(&root.join("sage.toml")));
    write(
        &out.join("settings.json"),
        &serde_json::to_string(&settings).unwrap_or_else(|error| stop(&error.to_string())),
    );
    let list = read(&root.join("schemas/prices/genai-prices.json"));
    let list = price_list::List::read(&list).unwrap_or_else(|error| stop(&error.to_string()));
    let (prices, packed_prices) = prices::generate(&list).unwrap_or_else(|error| stop(&error.to_string()));
    write(&out.join("prices.rs"), &prices);
    write(&out.join("packed_prices.rs"), &packed_prices);
    for (file, embedded) in [("prices.toml", "own_prices.json"), ("schemas/prices/services.toml", "services.json")] {
        let own = toml_prices::PricesFile::read(file, read(&root.join(file))).unwrap_or_else(|error| stop(&error));
        let prices = own.prices().unwrap_or_else(|error| stop(&error));
        if let Err(fault) = list.check(&prices) {
            stop(&own.message(&fault));
        }
        write(&out.join(embedded), &own.json.to_string());
    }
    write(&out.join("listed_services.json"), &list.services().to_string());
    let suffixes = read(&root.join("collector/lists/publicsuffix/public_suffix_list.dat"));
    write(&out.join("public_suffix.bin"), &public_suffix::pack(&suffixes).unwrap_or_else(|error| stop(&error)));
    let uap_core = read(&root.join("collector/lists/uap-core/regexes.yaml"));
    let crawlers = root.join("collector/lists/crawlers");
    let list = read(&crawlers.join("crawler-user-agents.json"));
    let devices = read(&root.join("collector/lists/devices.toml"));
    let patterns = user_agent_robots::read(&list, &read(&crawlers.join("rules.toml")))
        .and_then(|robots| user_agent::generate(&uap_core, &devices, &robots))
        .unwrap_or_else(|error| stop(&error));
    write(&out.join("user_agent.bin"), &patterns);
}

fn is_zone(name: &str) -> bool {
    chrono_tz::TZ_VARIANTS.iter().any(|zone| zone.name().eq_ignore_ascii_case(name))
}

fn checked_settings(text: &str) -> settings::Settings {
    let settings: settings::Settings =
        toml::from_str(text).unwrap_or_else(|error| stop(&format!("sage.toml: {error}")));
    if let Err((key, what)) = settings.check() {
        stop(&format!("sage.toml, line {}: {key} {what}", line_of(text, &key)));
    }
    settings
}

/// The line that sets `section.key`.
fn line_of(text: &str, key: &str) -> usize {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let mut current = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            current = header.trim_end_matches(']').trim().to_owned();
        } else if current == section && line.split('=').next().is_some_and(|left| left.trim() == name) {
            return number + 1;
        }
    }
    1
}

fn read(file: &Path) -> String {
    println!("cargo:rerun-if-changed={}", file.display());
    std::fs::read_to_string(file).unwrap_or_else(|error| stop(&format!("{}: {error}", file.display())))
}

fn write(file: &Path, text: &(impl AsRef<[u8]> + ?Sized)) {
    std::fs::write(file, text).unwrap_or_else(|error| stop(&format!("{}: {error}", file.display())));
}

fn stop(message: &str) -> ! {
    for line in message.lines() {
        println!("cargo:error={line}");
    }
    std::process::exit(1)
}
