//! What the file may say, and how it is told what it may not.

use serde_json::json;

use super::super::own_model::OwnRates;
use super::super::toml_prices::PricesFile;
use super::*;

fn fault(file: Value) -> String {
    OwnPrices::read(&file, "own").unwrap_err().to_string()
}

#[test]
fn mistakes_are_named() {
    let model = |members: Value| {
        let mut model = json!({"provider": "p", "model": "m", "input": "1", "output": "2"});
        model.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        json!({"model": [{"provider": "p", "model": "m", "per_request": 1}, model]})
    };
    for (file, message) in [
        (json!([]), "the file must be a table"),
        (json!({"models": []}), "models is not known"),
        (json!({"model": {}}), "model must be written [[model]]"),
        (json!({"model": [7]}), "model must be written [[model]]"),
        (model(json!({"inptu": "1"})), "model[1].inptu is not known"),
        (model(json!({"input": "1e3"})), "model[1].input must be a decimal"),
        (model(json!({"input": "1.0000000000000000001"})), "model[1].input must be a decimal"),
        (model(json!({"input": "1234567890"})), "model[1].input must be a decimal"),
        (model(json!({"input": true})), "model[1].input must be a decimal"),
        (model(json!({"input": 0.123_456_789_012_345_68})), "model[1].input has more than 15 digits"),
        (model(json!({"input": -1})), "model[1].input must not be below 0"),
        (model(json!({"from": "2026-02-30"})), "model[1].from must be a UTC date"),
        (model(json!({"from": "2026-02-01", "until": "2026-02-01"})), "model[1].until must be after from"),
        (model(json!({"when": "flex"})), "model[1].when must be a table"),
        (model(json!({"when": {"service_tier": 1}})), "model[1].when must be a table"),
        (model(json!({"like": ""})), "model[1].like must be a text"),
        (json!({"model": [{"model": "m", "per_request": 1}]}), "model[0].provider is required"),
        (json!({"model": [{"provider": "p", "model": "m"}]}), "model[0].input or another price is required"),
        (json!({"model": [{"provider": "p", "model": "m", "input": 1}]}), "model[0].output is required beside"),
        (
            json!({"model": [{"provider": "p", "model": "m", "cache_read": 1, "output": 1}]}),
            "model[0].input is required",
        ),
        (json!({"discount": [{"provider": "p", "model": "*"}]}), "discount[0].percent is required"),
        (json!({"discount": [{"provider": "p", "model": "*", "percent": "100.01"}]}), "discount[0].percent must be a"),
        (
            json!({"discount": [{"provider": "p", "model": "*", "percent": "1.0000001"}]}),
            "discount[0].percent must be a",
        ),
        (json!({"service": [{"item": "a b", "price": 1}]}), "service[0].item must be a word"),
        (json!({"service": [{"item": "a"}]}), "service[0].price is required"),
        (json!({"service": [{"item": "a", "price": 1, "per": 0}]}), "service[0].per must be a whole number"),
        (json!({"service": [{"item": "a", "price": 1, "per": 1.5}]}), "service[0].per must be a whole number"),
    ] {
        let said = fault(file.clone());
        assert!(said.starts_with(message), "{file}: {said}");
    }
}

#[test]
fn a_count_never_counts_in_two_prices() {
    // input ⊃ cache_read, audio; both ⊃ cached audio.
    let units = [
        ("input_tokens", 0b1110),
        ("cache_read_tokens", 0b1000),
        ("input_audio_tokens", 0b1000),
        ("cache_audio_read_tokens", 0),
    ];
    let check = |members: Value, like: u64| {
        let own = OwnPrices::read(&json!({"model": [members]}), "own").unwrap();
        own.check(&units, |_| Some(vec![like])).map_err(|fault| fault.to_string())
    };
    let base = json!({"provider": "p", "model": "m", "input": 1, "output": 1, "cache_read": 1, "input_audio": 1});
    assert_eq!(
        check(base.clone(), 0),
        Err("model[0].cache_audio_read must be there, too, because cache_read and input_audio is".to_owned())
    );
    let mut whole = base;
    whole["cache_audio_read"] = json!(1);
    assert_eq!(check(whole, 0), Ok(()));
    let like = json!({"provider": "p", "model": "m", "like": "x", "input_audio": 1});
    assert_eq!(check(like.clone(), 0b0001), Ok(()));
    assert!(check(like.clone(), 0b0011).unwrap_err().starts_with("model[0].cache_audio_read"));
    assert!(check(like, 0b0000).unwrap_err().starts_with("model[0].input must be there"));
    let own = OwnPrices::read(&json!({"model": [{"provider": "p", "model": "m", "like": "x"}]}), "own").unwrap();
    assert!(own.check(&units, |_| None).unwrap_err().to_string().starts_with("model[0].like must be the id"));
}

fn file(text: &str) -> Result<OwnPrices, String> {
    let file = PricesFile::read("prices.toml", text.to_owned())?;
    let own = file.prices()?;
    own.check(&OwnRates::units(), OwnRates::sets_of_like).map_err(|fault| file.message(&fault))?;
    Ok(own)
}

#[test]
fn a_mistake_in_the_file_is_named_with_its_line() {
    let model = "# prices\n[[model]]\nprovider = \"p\"\nmodel = \"m\"\n";
    let two = format!("{model}per_request = 1\n\n[[model]]\nprovider = \"p\"\nmodel = \"m\"\n");
    for (text, message) in [
        (format!("{model}input = 0x10\noutput = 1\n"), "prices.toml, line 5: model.input must be a decimal"),
        (format!("{model}input = 1_000\noutput = 1e3\n"), "prices.toml, line 6: model.output must be a decimal"),
        (format!("{model}input = -1\noutput = 1\n"), "prices.toml, line 5: model.input must not be below 0"),
        (format!("{two}inptu = 3\n"), "prices.toml, line 10: model.inptu is not known"),
        (format!("{two}input = 3\n"), "prices.toml, line 7: model.output is required"),
        (format!("{two}like = \"gpt-4o\"\n"), "prices.toml, line 10: model.like must be the id of a model"),
        (
            format!("{two}input = 1\noutput = 1\ncache_write_1h = 2\n"),
            "prices.toml, line 7: model.cache_write must be there, too, because cache_write_1h is",
        ),
        (format!("{two}per_request = 2\nuntil = 2026-13-01\n"), "prices.toml, line 11:"),
        ("[[model]\n".to_owned(), "prices.toml, line 1:"),
        ("a = 1\n\n\nb = 2\n[[service]]\nitem = 3\n".to_owned(), "prices.toml, line 1: a is not known"),
        (
            "\n[[service]]\nitem = \"x\"\nprice = \"0.1.2\"\n".to_owned(),
            "prices.toml, line 4: service.price must be a decimal",
        ),
        (
            "[[discount]]\nprovider=\"*\"\nmodel=\"*\"\npercent=101\n".to_owned(),
            "prices.toml, line 4: discount.percent must be",
        ),
    ] {
        let said = file(&text).unwrap_err();
        assert!(said.starts_with(message), "{text}: {said}");
    }
}

#[test]
fn numbers_of_the_file_stay_as_they_were_written() {
    let own = file(
        "[[model]]\nprovider = \"p\"\nmodel = \"m\"\nfrom = 2026-01-31\ninput = 0.100000000000000001\noutput = 3\n",
    )
    .unwrap();
    let model = own.models.first().unwrap();
    let units: Vec<_> = model.units.iter().map(|(unit, price, _)| format!("{unit} {price}")).collect();
    assert_eq!(units, ["input_tokens 0.100000000000000001", "output_tokens 3"]);
    assert_eq!((model.version.as_str(), model.scope.period.from), ("own@2026-01-31", day("2026-01-31")));
}

/// What the file that comes with Sage shows as examples is right when it is no comment.
#[test]
fn the_examples_hold() {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../prices.toml"));
    let uncommented = text.lines().map(|line| match line.strip_prefix("# ") {
        Some(code)
            if code.starts_with("[[")
                || code
                    .split_once(" = ")
                    .is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')) =>
        {
            code
        }
        _ => line,
    });
    let own = file(&uncommented.collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!((own.models.len(), own.discounts.len(), own.services.len()), (3, 1, 1));
}
