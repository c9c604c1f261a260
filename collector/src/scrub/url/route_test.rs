use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn routes_name_no_one() {
    let cases = [
        ("/", "/"),
        ("", "/"),
        ("https://app.example.com", "/"),
        ("https://app.example.com/chat?token=s3cr3t#x", "/chat"),
        ("/api/v2/users/42/messages", "/api/v2/users/:id/messages"),
        ("/users/alice@example.com", "/users/:id"),
        ("/u/123e4567-e89b-12d3-a456-426614174000/edit", "/u/:id/edit"),
        ("/reset/dGhpcyBpcyBhIHRva2Vu", "/reset/:id"),
        ("/reset/eyJhbGciOiJIUzI1NiJ9.e30.abc", "/reset/:id"),
        ("/app.js", "/app.js"),
        ("/static/main.3f2a1b9c.js", "/static/:id"),
        ("/search/Priya%20Raman", "/search/:id"),
        ("/\u{fc}ber/uns", "/:id/uns"),
        ("/%C3%BCber/uns", "/:id/uns"),
        ("//double//slash", "/double/slash"),
        ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/:rest"),
        ("/key/BCDFGHJKLMNPQRST", "/key/:id"),
        ("/users/Tolvaniker/posts", "/users/:id/posts"),
        ("/users/me", "/users/me"),
        ("/Profile/priya", "/Profile/:id"),
        ("/sign-in/forgot_password", "/sign-in/forgot_password"),
        // Ids of all makes.
        ("/c/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/c/:id"),
        ("/c/0ujsswThIGTUYm2K8FjOOfXtY1K", "/c/:id"),
        ("/c/507f1f77bcf86cd799439011", "/c/:id"),
        ("/c/V1StGXR8_Z5jdHi6B-myT", "/c/:id"),
        ("/c/cjld2cjxh0000qzrmn831i7rn", "/c/:id"),
        ("/c/user_2NNEqL2nrIRdJ194ndJqAHwEfxC", "/c/:id"),
        ("/c/dQw4w9WgXcQ", "/c/:id"),
        ("/c/deadbeefcafe", "/c/:id"),
        ("/meet/kqz-wmxh-ypt", "/meet/:id"),
        ("/c/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPBdG", "/c/:id"),
        ("/orders/2026-11-21", "/orders/:id"),
        ("/orders/20261121/12", "/orders/:id/:id"),
        ("/call/+4915112345678", "/call/:id"),
        ("/pay/4111-1111-1111-1111", "/pay/:id"),
        ("/ip/203.0.113.77", "/ip/:id"),
        ("/ip/2001:db8::1", "/ip/:id"),
        ("/geo/47.37,8.54", "/geo/:id"),
        ("/v/1.2.3", "/v/:id"),
        // Names, titles, words that are none.
        ("/@alice", "/:id"),
        ("/~alice/diary", "/:id/diary"),
        ("/john.doe", "/:id"),
        ("/search/depression", "/search/:id"),
        ("/accounts/smith-and-sons/billing", "/accounts/:id/billing"),
        ("/users/settings", "/users/settings"),
        ("/account/subscription/cancel", "/account/subscription/cancel"),
        ("/contact/form", "/contact/form"),
        ("/blog/how-to-leave-him", "/blog/:id"),
        ("/blog/how-it-works", "/blog/how-it-works"),
        ("/a+b/c,d/e:f/g=h", "/:id/:id/:id/:id"),
        ("/it's/me!", "/:id/:id"),
        ("/abcdefghijklmnopqrstuvwxyzabcdefghijklmnop", "/:id"),
        ("/--/__/-", "/:id/:id/:id"),
        // What stays.
        ("/en-US/docs", "/en-US/docs"),
        ("/zh-Hans/pt_BR/es-419", "/zh-Hans/pt_BR/es-419"),
        ("/.well-known/openid-configuration", "/.well-known/openid-configuration"),
        ("/oauth2/callback", "/oauth2/callback"),
        ("/api/v1beta2/models", "/api/v1beta2/models"),
        ("/api/v2.1/getUserInfo", "/api/v2.1/getUserInfo"),
        ("/_next/data/index.html", "/_next/data/index.html"),
        ("/v", "/v"),
        ("/api/v123/v1betax/vbeta", "/api/:id/:id/vbeta"),
        ("/robots.txt", "/robots.txt"),
        ("/privacy-policy.html", "/privacy-policy.html"),
        ("/do-not-sell-my-personal-information", "/do-not-sell-my-personal-information"),
        // Paths that want to be something else.
        ("/cart;jsessionid=0A1B/pay;a=b", "/cart/pay"),
        ("/;x/y", "/y"),
        ("/users/%2e%2e/admin", "/admin"),
        ("/users/alice/../../admin", "/admin"),
        ("/users/alice/..", "/users"),
        ("/users/./alice", "/users/:id"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("/users/.%2E/x", "/x"),
        ("/users/.../x", "/users/:id/x"),
        ("/users\\alice", "/users/:id"),
        ("/users%2Falice", "/:id"),
        ("/chat%00", "/:id"),
        ("/chat%", "/:id"),
        ("/%ff%fe", "/:id"),
        ("/chat\u{0}/x\n", "/:id/:id"),
        ("/go/https://evil.example/alice", "/go/:id/:id/alice"),
        ("https://a.example/go/https://evil.example/x", "/go/:id/:id/x"),
        ("?q=alice", "/"),
        ("#/users/alice", "/"),
        ("/chat?/users/alice", "/chat"),
        ("users/alice", "/users/:id"),
        ("https://a.example\\users\\alice", "/users/:id"),
    ];
    for (url, template) in cases {
        assert_eq!(route(url), template, "{url}");
    }
    let deep = format!("/a{}/b", "/../a".repeat(10_000));
    assert!(["/a", "/"].contains(&route(&deep).as_str()));
}

/// Words of the paths of known apps; a template that hides them is of no use.
const WORDS: &str = "about abuse access account accounts achievements activate activity add admin agents alerts analytics announcements \
    answers api app apps archive archived article articles ask assets assistant assistants attachments audio auth authenticate authorize \
    autocomplete avatar awards backup badges balance banner basket batch billing blog blogs board bookmarks bots branches brands browse \
    budget bulk cache calendar callback campaigns cancel captcha careers cart catalog categories category changelog changes channel channels \
    chat chatbot chats check checkout classic classroom clear cloud collections comments community companies compare completions compliance \
    compose config confirm confirmation connect connections consent console contact content contests conversations cookies copy copyright \
    coupons courses create credits cron currency customers daily dashboard data dataset datasets debug default delete deliveries demo deploy \
    deployments description desktop detail details developer developers devices diagnostics diff digest directory disable disclaimer discover \
    discussions display docs documentation documents domain domains donate download downloads draft drafts drive edit editor email embed \
    embeddings emoji empty enable endpoints engine english enterprise error errors events example exchange experiments explore export \
    exports extensions faq favorites features feed feedback fetch fields files filter filters finance finetune flags follow followers folders \
    fonts forgot forms forum forums friends gallery games generate gift global goals graphql groups guide guides health healthcheck hello help \
    highlights history home hooks hosting hotline hub icons identity images import inbox index info inspect install integrations invoices issues \
    items jobs journal json keys knowledge labels landing languages leaderboard learn legal lessons library license licenses like likes links \
    list lists live load location lock login logout logs mail main manage manifest marketing marketplace matches media meetings members \
    memory menu message messages metrics migrate mobile moderation modules monitoring moods movies music network news newsletter next \
    notes notifications oauth offers office offline onboarding openapi options order orders organization organizations overview packages \
    page pages partners password patch pay payment payments people permissions personas phone photos ping plans platform play playground \
    playlists plugins podcasts policies polls popular portal portfolio posts preferences premium press preview pricing print privacy products \
    profile projects prompts proxy public publish purchase push quality queries query questions queue quick quiz quota rates reactions \
    read readme recent recipes recommendations recovery redirect redeem refer referrals refresh refund register releases reload remove rename \
    render renew replies report reports repository request requests reset resources results resume retry returns reviews rewards rights roles \
    rooms root rules run sales sandbox saved schedule schemas scores script scripts search sections secrets security segments send server \
    service services session sessions settings setup share shares shipping shop short signin signup sitemap sleep social solutions sources \
    speech spaces sports staff stage standup start static stats status stop storage store stories stream streams strings students style \
    styles subscribe subscription subscriptions success suggestions summary support survey surveys switch sync system tables tags tasks tax \
    teams templates terms test tests text themes thanks threads thumbnails tickets timeline timezones tips today tokens tools topics \
    tracking training transactions transcribe transcripts transfer translate translations trash trends trial trust tutorials typing \
    unlock unsubscribe update updates upgrade upload uploads upvote usage users utils validate verify version video videos views visits \
    voice voices volunteers vote votes wallet watch weather webhook webhooks website weekly welcome widget widgets wiki wishlist workflows \
    workspace workspaces worlds worksheet yearly zones background breathing mindfulness crisis therapy strengths rhythm anxiety \
    ueber uns impressum datenschutz anmelden abmelden einstellungen hilfe nachrichten geschichte schlaf rueckmeldung kontakt warenkorb \
    accueil aide bienvenue connexion conversations deconnexion mentions-legales parametres recherche \
    ayuda buscar configuracion cuenta iniciar-sesion inicio mensajes perfil privacidad registro \
    impostazioni messaggi accedi inschrijven instellingen wachtwoord berichten ustawienia wiadomosci pomoc \
    sign-in sign-up log-in log-out forgot-password reset-password privacy-policy terms-of-service cookie-policy contact-us about-us \
    get-started how-it-works web-vitals health-check opt-out two-factor single-sign-on user-settings api-keys text-to-speech \
    getUserInfo listModels createThread sendMessage chatStream userProfile ChatRoom SignIn AboutUs API FAQ GraphQL README";

#[test]
fn words_of_apps_stay() {
    let words: BTreeSet<&str> = WORDS.split_whitespace().collect();
    let hidden: Vec<&&str> = words.iter().filter(|word| route(&format!("/{word}")) != format!("/{word}")).collect();
    assert!(words.len() > 600 && hidden.is_empty(), "{} of {}: {hidden:?}", hidden.len(), words.len());
}

fn token(alphabet: &str, length: usize, state: &mut u64) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    let mut next = || {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as usize
    };
    (0..length).map(|_| letters[next() % letters.len()]).collect()
}

/// Of 20,000 tokens of each make, how many may pass for a word: those that by chance are spelled like one.
#[test]
fn tokens_are_told_from_words() {
    let (lower, upper) = ("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    let base62 = format!("{lower}{upper}0123456789");
    let makes = [
        ("nanoid, 21", format!("{base62}_-"), 21, 3),
        ("base64url, 43", format!("{base62}_-"), 43, 0),
        ("base62, 22", base62.clone(), 22, 0),
        ("video id, 11", format!("{base62}_-"), 11, 250),
        ("short link, 8", base62, 8, 500),
        ("base58, 44", "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".into(), 44, 0),
        ("base32, 26", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".into(), 26, 0),
        ("base32, 16", "abcdefghijklmnopqrstuvwxyz234567".into(), 16, 80),
        ("hexadecimal, 32", "0123456789abcdef".into(), 32, 0),
        ("hexadecimal, 8", "0123456789abcdef".into(), 8, 0),
        ("base36, 10", format!("{lower}0123456789"), 10, 300),
        ("letters, 16", lower.into(), 16, 600),
        ("letters in both cases, 16", format!("{lower}{upper}"), 16, 60),
        ("capitals, 12", upper.into(), 12, 0),
        ("digits, 6", "0123456789".into(), 6, 0),
    ];
    let mut state = 7;
    for (make, alphabet, length, passed_max) in makes {
        let passed =
            (0..20_000).filter(|_| route(&format!("/c/{}", token(&alphabet, length, &mut state))) != "/c/:id").count();
        assert!(passed <= passed_max, "{make}: {passed}");
    }
}

proptest! {
    #[test]
    fn a_route_is_short_and_of_known_letters(url in "(https?://[a-z.]{0,12})?[/\\\\.;%a-zA-Z0-9_~@:?#é\\x00-]{0,120}", any in ".{0,200}") {
        for url in [&url, &any] {
            let route = route(url);
            prop_assert!(route.starts_with('/') && route.len() <= (SEGMENTS_MAX + 1) * (SEGMENT_CHARS_MAX + 1));
            prop_assert!(route.bytes().all(|b| b.is_ascii_alphanumeric() || b"/:-_.".contains(&b)), "{route}");
            prop_assert!(route == "/" || route[1..].split('/').all(|segment| segment == ":id" || segment == ":rest" || is_word(segment)));
        }
    }

    /// What stands in a query, a fragment or the host changes nothing.
    #[test]
    fn only_the_path_counts(path in "(/[a-z0-9]{1,8}){0,5}", query in "[a-z=&/%.]{0,20}", fragment in "[a-z/#?]{0,20}") {
        prop_assert_eq!(route(&format!("https://app.example{path}?{query}#{fragment}")), route(&path));
    }
}

#[test]
fn assets_are_told_by_their_extension() {
    assert!(is_static_asset("/a/app.JS?v=3") && is_static_asset("https://x.org/logo.svg"));
    assert!(!is_static_asset("/api/chat") && !is_static_asset("/report.pdf") && !is_static_asset("/"));
}
