//! Rules of passing a request on. The bytes themselves never come here.

mod capture;
mod turn_event;

pub use capture::{Buffer, Capture, EventIds, FLUSH_AFTER_MS, Head, Next, request_event};
pub use turn_event::{TurnEvents, turn_texts};

/// Headers as the host joins them: a line each, `name,value`, names in lower case.
#[derive(Clone, Copy)]
pub struct HeaderList<'a>(pub &'a str);

impl<'a> HeaderList<'a> {
    /// The value of a header.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(','))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.lines().filter_map(|line| Some(line.split_once(',')?.0))
    }
}

/// Headers that belong to one hop (RFC 9110 §7.6.1), and those a client must not bring: Sage's own. Of a WebSocket's
/// opening request those that make it one stay.
#[must_use]
pub fn headers_to_drop<'a>(headers: HeaderList<'a>) -> Vec<&'a str> {
    const HOP_BY_HOP: [&str; 8] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
    ];
    let upgrades = headers.get("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let connection = headers.get("connection");
    let named =
        |name: &str| connection.is_some_and(|list| list.split(',').any(|item| item.trim().eq_ignore_ascii_case(name)));
    let drops = |name: &&str| {
        if *name == "upgrade" || *name == "connection" {
            return !upgrades;
        }
        name.starts_with("sage-") || HOP_BY_HOP.contains(name) || named(name)
    };
    headers.names().filter(drops).collect()
}

/// Is this path Sage's own?
#[must_use]
pub fn is_own_path(path: &str) -> bool {
    let own = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    own("/sage") || own("/safety/transparency") || path == "/safety/transparency.json"
}

/// Is this the address of the machine itself? There Sage without an `origin` would ask itself for ever.
#[must_use]
pub fn is_loopback(origin: &str) -> bool {
    let authority = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    let host = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let host = host.map_or(authority, |(host, _)| host);
    host == "localhost"
        || host == "[::1]"
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// Splits an absolute URL into origin, path and query (with `?`, or empty).
#[must_use]
pub fn split_url(url: &str) -> (&str, &str, &str) {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(after_scheme..).unwrap_or_default();
    let path_at = after_scheme + rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (origin, path_and_query) = url.split_at_checked(path_at).unwrap_or((url, ""));
    let path_and_query = path_and_query.split('#').next().unwrap_or_default();
    match path_and_query.find('?').and_then(|at| path_and_query.split_at_checked(at)) {
        Some((path, query)) => (origin, path, query),
        None => (origin, path_and_query, ""),
    }
}

/// Where the app's `Location` leads a client that knows only the public origin. `None`: leave it.
#[must_use]
pub fn public_location(location: &str, app_origin: &str, public_origin: &str) -> Option<String> {
    let rest = location.strip_prefix(app_origin)?;
    (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then(|| format!("{public_origin}{rest}"))
}

/// The page of a 502: the app could not be reached.
#[must_use]
pub fn unreachable_page(request_id: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>The app can't be reached</title><style>:root{{color-scheme:light dark}}body{{font:1rem/1.6 system-ui,sans-serif;\
         max-width:32rem;margin:20vh auto;padding:0 1.25rem}}code{{font-size:.9em}}</style></head><body><h1>The app can't be reached</h1>\
         <p>It did not answer. Please try again in a minute.</p><p>If you need help right now and cannot wait, call your local \
         emergency number or a crisis line.</p><p>Request <code>{request_id}</code></p></body></html>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hop_by_hop_and_sage_headers_are_dropped() {
        let drop = |headers: &'static str| headers_to_drop(HeaderList(headers));
        let headers = "accept,*/*\nconnection,keep-alive, X-Secret-Hop\nkeep-alive,5\nsage-user,x\nte,x\nx-secret-hop,1\nx-sage,1\nupgrade,h2c\ncookie,a=b";
        assert_eq!(drop(headers), ["connection", "keep-alive", "sage-user", "te", "x-secret-hop", "upgrade"]);
        assert_eq!(drop("accept,a,b\nhost,x\ncookie,sage-user,1"), Vec::<&str>::new());
        assert_eq!(drop("connection,Upgrade\nupgrade,WebSocket\nsec-websocket-key,x"), Vec::<&str>::new());
    }

    #[test]
    fn headers_are_found_by_their_whole_name() {
        let headers = HeaderList("x-dnt,1\ndnt,\naccept,a,b\nreferer,https://x.org/?a,b");
        assert_eq!(headers.get("dnt"), Some(""));
        assert_eq!(headers.get("referer"), Some("https://x.org/?a,b"));
        assert_eq!(headers.get("refer"), None);
    }

    #[test]
    fn paths_are_told_apart() {
        for own in [
            "/sage",
            "/sage/",
            "/sage/v1/events",
            "/safety/transparency",
            "/safety/transparency.json",
            "/safety/transparency/x",
        ] {
            assert!(is_own_path(own), "{own}");
        }
        for app in [
            "/",
            "/sagebrush",
            "/sage.js",
            "/safety",
            "/safety/transparency.jsonx",
            "/safety/transparencyx",
            "/app/sage",
            "/SAGE",
        ] {
            assert!(!is_own_path(app), "{app}");
        }
    }

    #[test]
    fn the_machine_itself_is_known() {
        for own in
            ["http://127.0.0.1:8787", "http://localhost:8787", "http://localhost", "http://[::1]:8787", "http://[::1]"]
        {
            assert!(is_loopback(own), "{own}");
        }
        for other in [
            "https://chat.example.com",
            "https://localhost.example.com",
            "http://10.0.0.1",
            "https://127.0.0.1.example",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
    }

    #[test]
    fn urls_are_split() {
        assert_eq!(split_url("https://a.b:8/x/y?q=1?2#f"), ("https://a.b:8", "/x/y", "?q=1?2"));
        assert_eq!(split_url("https://a.b"), ("https://a.b", "", ""));
        assert_eq!(split_url("https://a.b?x"), ("https://a.b", "", "?x"));
        assert_eq!(split_url("https://a.b/#x"), ("https://a.b", "/", ""));
    }

    #[test]
    fn redirects_to_the_app_lead_to_sage() {
        let public = |location: &str| public_location(location, "http://127.0.0.1:8788", "https://chat.example.com");
        assert_eq!(public("http://127.0.0.1:8788/login?x").as_deref(), Some("https://chat.example.com/login?x"));
        assert_eq!(public("http://127.0.0.1:8788").as_deref(), Some("https://chat.example.com"));
        for left in
            ["/login", "https://elsewhere.example.com/", "http://127.0.0.1:87881/", "http://127.0.0.1:8788@evil/"]
        {
            assert_eq!(public(left), None, "{left}");
        }
    }
}
