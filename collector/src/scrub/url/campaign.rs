//! Campaign tags: parameters that the operator has named, with values that the operator has named.

use std::collections::BTreeMap;

use schemas::Label;

/// Stands for a value that is not on the list.
const OTHER: &str = "other";
/// Longest query that is looked at, bytes.
const QUERY_BYTES_MAX: usize = 8_192;

/// The campaign tags of a URL by the allow-list `urls.campaigns` (parameter → values). A value that is not on the list is
/// `other`, so that no one can hand a text in by it; of a parameter that is there twice the first counts.
#[must_use]
pub fn campaign(url: &str, allowed: &BTreeMap<String, Vec<String>>) -> BTreeMap<Label, Label> {
    let mut found = BTreeMap::new();
    let query = url.split('#').next().and_then(|url| url.split_once('?')).map_or("", |(_, query)| query);
    if allowed.is_empty() || query.len() > QUERY_BYTES_MAX {
        return found;
    }
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(values) = allowed.get(name.as_ref()).filter(|_| !value.is_empty()) else { continue };
        let known = values.iter().find(|known| known.eq_ignore_ascii_case(&value));
        if let (Ok(name), Ok(value)) = (Label::parse(&name), Label::parse(known.map_or(OTHER, String::as_str))) {
            found.entry(name).or_insert(value);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_operator_knows_is_kept() {
        let allowed: BTreeMap<String, Vec<String>> = [
            ("utm_source".to_owned(), vec!["newsletter".to_owned(), "google".to_owned()]),
            ("ref".to_owned(), vec!["spring".to_owned()]),
        ]
        .into();
        let cases = [
            ("/?utm_source=newsletter&utm_medium=email", vec![("utm_source", "newsletter")]),
            (
                "https://a.example/x?utm_source=Google&ref=spring#utm_source=x",
                vec![("ref", "spring"), ("utm_source", "google")],
            ),
            ("/?utm_source=alice%40example.com", vec![("utm_source", "other")]),
            ("/?utm_source=a&utm_source=google", vec![("utm_source", "other")]),
            ("/?utm%5Fsource=go%6fgle", vec![("utm_source", "google")]),
            ("/?utm_source=&utm_campaign=x", vec![]),
            ("/#?utm_source=google", vec![]),
            ("/?UTM_SOURCE=google", vec![]),
            ("/", vec![]),
        ];
        for (url, tags) in cases {
            let found = campaign(url, &allowed);
            assert_eq!(
                found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(),
                tags,
                "{url}"
            );
            assert!(campaign(url, &BTreeMap::new()).is_empty());
        }
        assert!(campaign(&format!("/?utm_source=google&x={}", "x".repeat(9_000)), &allowed).is_empty());
    }
}
