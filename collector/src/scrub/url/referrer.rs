//! Where a visit came from: the registrable domain of the referrer, and nothing of its path.

use std::borrow::Cow;

use url::{Host, Url};

use super::suffix;

/// Longest referrer that is looked at, bytes. Browsers cut longer ones down to the origin at 4,096.
const REFERRER_BYTES_MAX: usize = 8_192;

/// The registrable domain of a referrer by the Public Suffix List, IDN as Punycode, read as browsers read URLs (WHATWG).
/// `None` for addresses, single labels, names that are a public suffix or no host name, and schemes other than `http` and `https`
/// (`android-app://…` names an app, not a site).
#[must_use]
pub fn referrer_domain(referrer: &str) -> Option<String> {
    if referrer.len() > REFERRER_BYTES_MAX {
        return None;
    }
    let url = Url::parse(&with_ascii_host(referrer)?).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let Some(Host::Domain(host)) = url.host() else { return None };
    let host = host.strip_suffix('.').unwrap_or(host);
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return None;
    }
    let domain = suffix::registrable(host)?;
    // Underscores stand in front of domains (`_dmarc.example.org`), never in one.
    (!domain.contains('_')).then(|| domain.to_owned())
}

/// The same with the host in ASCII, labels of other scripts as Punycode. Browsers send it so, a backend may not; the tables that
/// make one name of two spellings would take a twentieth of the Worker, so what is not in lower-case NFC counts as another. `None`
/// for other schemes than `http` and `https`, and for hosts that hide another script behind percent signs.
fn with_ascii_host(url: &str) -> Option<Cow<'_, str>> {
    if url.is_ascii() && !url.contains('%') {
        return Some(Cow::Borrowed(url));
    }
    let kept: String = url.trim_matches(|c| c <= ' ').chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    let (scheme, rest) = kept.split_once(':').filter(|(scheme, _)| is_web(scheme))?;
    // Browsers take any number of slashes for two.
    let rest = rest.trim_start_matches(['/', '\\']);
    let (authority, path) = rest.split_at(rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    let (host, port) = host.split_at(host.find(':').unwrap_or(host.len()));
    if host.split('%').skip(1).any(|byte| !byte.starts_with(|digit: char| ('0'..'8').contains(&digit))) {
        return None;
    }
    let label = |label: &str| match label.is_ascii() {
        true => label.to_owned(),
        false => format!("xn--{}", idna::punycode::encode_str(&label.to_lowercase()).unwrap_or_default()),
    };
    let host: Vec<String> = host.split('.').map(label).collect();
    Some(Cow::Owned(format!("{scheme}://{user}{}{port}{path}", host.join("."))))
}

fn is_web(scheme: &str) -> bool {
    ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn referrers_become_domains() {
        let cases = [
            ("https://www.google.com/search?q=sad", Some("google.com")),
            ("https://news.bbc.co.uk/x", Some("bbc.co.uk")),
            ("HTTPS://News.BBC.co.UK./x", Some("bbc.co.uk")),
            ("https://alice:pw@mail.example.org:8443/inbox/alice", Some("example.org")),
            ("https://alice.github.io/diary", Some("alice.github.io")),
            ("https://a.b.kobe.jp/", Some("a.b.kobe.jp")),
            ("https://www.city.kobe.jp/", Some("city.kobe.jp")),
            ("https://www.b\u{fc}cher.example/", Some("xn--bcher-kva.example")),
            ("https://www.\u{98df}\u{72ee}.\u{516c}\u{53f8}.cn/", Some("xn--85x722f.xn--55qx5d.cn")),
            ("https://a@www.B\u{dc}CHER.example:8443/", Some("xn--bcher-kva.example")),
            ("https://www.xn--85x722f.xn--55qx5d.cn/", Some("xn--85x722f.xn--55qx5d.cn")),
            ("https://_dmarc.example.org/", Some("example.org")),
            ("https://my_shop.example.org/", Some("example.org")),
            ("https://ex%61mple.org/", Some("example.org")),
            ("https:\\\\www.example.org\\x", Some("example.org")),
            ("https://www.example.org?x@evil.com", Some("example.org")),
            ("https://www.example.org#@evil.com", Some("example.org")),
            ("https://evil.com@www.example.org", Some("example.org")),
            ("https:///B\u{fc}cher.example/\u{e4}", Some("xn--bcher-kva.example")),
            (" ht\ttps:\\/\nB\u{fc}cher.example", Some("xn--bcher-kva.example")),
            ("https://www.example.org/%C3%BC?\u{fc}", Some("example.org")),
            ("https://B%C3%BCcher.example/", None),
            ("https://my_shop.com/", None),
            ("https://co.uk/", None),
            ("https://github.io/", None),
            ("http://203.0.113.77/x", None),
            ("http://3405803853/", None),
            ("http://0xcb.0.0x71.0x4d/", None),
            ("http://[2001:db8::1]/x", None),
            ("http://localhost:3000/", None),
            ("http://intranet/", None),
            ("http://a..example.org/", None),
            ("http://.example.org/", None),
            ("android-app://com.example.app", None),
            ("about:client", None),
            ("data:text/html,x", None),
            ("file:///home/alice", None),
            ("javascript:alert(1)", None),
            ("//example.org/x", None),
            ("www.example.org", None),
            ("not a url", None),
            ("https://a b.com/", None),
            ("https://exa\u{0}mple.com/", None),
            ("https:///", None),
            ("", None),
        ];
        for (referrer, domain) in cases {
            assert_eq!(referrer_domain(referrer).as_deref(), domain, "{referrer}");
        }
        assert_eq!(referrer_domain(&format!("https://example.org/{}", "x".repeat(9_000))), None);
        assert_eq!(referrer_domain(&format!("https://{}.org/", "x".repeat(64))), None);
    }

    proptest! {
        #[test]
        fn no_text_does_harm_and_no_more_than_a_domain_stays(text in ".{0,80}", host in "[a-z]{1,9}(\\.[a-z0-9-]{1,9}){0,4}", rest in "[^ ]{0,40}") {
            for referrer in [text.clone(), format!("https://{text}"), format!("https://{host}/{rest}")] {
                if let Some(domain) = referrer_domain(&referrer) {
                    prop_assert!(domain.len() <= 253 && domain.contains('.'));
                    prop_assert!(domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b)));
                }
            }
            if let Some(domain) = referrer_domain(&format!("https://{host}/{rest}")) {
                prop_assert!(host.ends_with(&domain));
            }
        }
    }
}
