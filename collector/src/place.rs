//! Where a client is, as coarse as it is kept: country, UTC offset, kind of network. City, region, postal code, coordinates and the
//! platform's own location are not read at all.
//!
//! What is believed is a setting, because a header is only as true as whoever set it last. The platform's `cf` object can't be sent
//! by a client; where there is one, no header is asked for what it says. Headers of other names change nothing.

use aggregator::zone::Zone;
use schemas::UtcMillis;
use schemas::event::{Country, NetworkKind, UtcOffset};

use crate::settings::client::{AddressHeader, Client, CountrySource};

/// What the platform's `cf` object says of a request.
#[derive(Clone, Copy, Default)]
pub struct Platform<'a> {
    /// ISO country, `T1` for Tor.
    pub country: Option<&'a str>,
    /// IANA time zone.
    pub timezone: Option<&'a str>,
    /// Autonomous system number.
    pub asn: Option<u32>,
}

/// Where a client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Country; `None` when it is not known.
    pub country: Option<Country>,
    /// Minutes east of UTC at that time, a multiple of 15.
    pub utc_offset: Option<UtcOffset>,
    /// Kind of network, where it is one that people seldom sit in.
    pub network_kind: Option<NetworkKind>,
}

/// Autonomous systems of companies that let machines, as registered with the regional internet registries; ascending.
///
/// Not among them: networks that carry what people browse through relays (Cloudflare 13335, Fastly 54113, Akamai 20940 and 36183), and
/// those best known for VPNs.
const DATA_CENTRES: [u32; 47] = [
    7684,    // Sakura Internet
    8075,    // Microsoft Azure
    8560,    // IONOS
    8987,    // Amazon
    9370,    // Sakura Internet
    9371,    // Sakura Internet
    12876,   // Scaleway
    14061,   // DigitalOcean
    14618,   // Amazon
    15169,   // Google
    16125,   // Cherry Servers
    16276,   // OVHcloud
    16509,   // Amazon
    19994,   // Rackspace
    20473,   // Vultr
    24940,   // Hetzner
    26347,   // DreamHost
    26496,   // GoDaddy
    28753,   // Leaseweb
    29222,   // Infomaniak
    29802,   // Hivelocity
    30633,   // Leaseweb
    31034,   // Aruba
    31898,   // Oracle Cloud
    33070,   // Rackspace
    36007,   // Kamatera
    36351,   // IBM Cloud
    37963,   // Alibaba Cloud
    40509,   // Fly.io
    45090,   // Tencent Cloud
    45102,   // Alibaba Cloud
    49505,   // Selectel
    51167,   // Contabo
    54825,   // Equinix Metal
    55990,   // Huawei Cloud
    60781,   // Leaseweb
    61098,   // Exoscale
    63949,   // Akamai Connected Cloud (Linode)
    132_203, // Tencent Cloud
    136_907, // Huawei Cloud
    197_540, // netcup
    199_524, // Gcore
    200_350, // Yandex Cloud
    202_053, // UpCloud
    212_317, // Hetzner
    213_230, // Hetzner
    396_982, // Google Cloud
];

/// Where a client is by what the settings believe. `header` gives a request's header by its name in lower case; `platform` is `None`
/// where the runtime has no `cf` object.
#[must_use]
pub fn place<'a>(
    platform: Option<Platform<'a>>,
    header: impl Fn(&str) -> Option<&'a str>,
    client: &Client,
    at: UtcMillis,
) -> Place {
    let country = match (client.country, platform) {
        (CountrySource::Cloudflare, Some(platform)) => platform.country,
        (CountrySource::Cloudflare, None) => header("cf-ipcountry"),
        (CountrySource::Cloudfront, _) => header("cloudfront-viewer-country"),
        (CountrySource::None, _) => None,
    };
    let country = country.and_then(|text| Country::parse(text.trim())).filter(|country| country.as_str() != "XX");
    // Of a request that came through another company's edge, the platform knows that company's machines.
    let platform = platform.filter(|_| client.country == CountrySource::Cloudflare).unwrap_or_default();
    let network_kind = if country.is_some_and(|country| country.as_str() == "T1") {
        Some(NetworkKind::Tor)
    } else {
        let known = platform.asn.is_some_and(|asn| DATA_CENTRES.binary_search(&asn).is_ok());
        known.then_some(NetworkKind::DataCentre)
    };
    let zone = platform.timezone.and_then(Zone::parse);
    Place { country, utc_offset: zone.and_then(|zone| UtcOffset::new(zone.offset_minutes(at))), network_kind }
}

/// The client's address out of the header that the settings name, as it stands there.
#[must_use]
pub fn address<'a>(header: impl Fn(&str) -> Option<&'a str>, client: &Client) -> Option<&'a str> {
    let value = header(client.address.header()?)?.trim();
    match client.address {
        AddressHeader::XForwardedForLast => value.rsplit(',').next().map(str::trim),
        // `address:port`, and IPv6 without brackets.
        AddressHeader::CloudfrontViewerAddress => value.rsplit_once(':').map(|(address, _)| address),
        _ => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINTER: UtcMillis = UtcMillis(1_795_262_400_000); // 2026-11-21
    const SUMMER: UtcMillis = UtcMillis(1_782_000_000_000); // 2026-06-21

    fn client(country: CountrySource) -> Client {
        Client { country, ..Client::default() }
    }

    /// Every header that claims to know where a client is.
    fn spoofed(name: &str) -> Option<&'static str> {
        match name {
            "cf-ipcountry" => Some("KP"),
            "cloudfront-viewer-country" => Some("AQ"),
            "cf-connecting-ip" => Some("203.0.113.77"),
            "x-forwarded-for" => Some("192.0.2.1, 198.51.100.7"),
            "cloudfront-viewer-address" => Some("2001:db8::7:46532"),
            "true-client-ip" | "x-real-ip" | "cf-connecting-ipv6" | "cf-pseudo-ipv4" | "forwarded" | "x-client-ip" => {
                Some("192.0.2.66")
            }
            _ => None,
        }
    }

    fn of(country: &'static str, timezone: &'static str, asn: u32) -> Option<Platform<'static>> {
        Some(Platform { country: Some(country), timezone: Some(timezone), asn: Some(asn) })
    }

    #[test]
    fn the_platform_is_believed_and_headers_are_not() {
        let place = place(of("NP", "Asia/Kathmandu", 17501), spoofed, &client(CountrySource::Cloudflare), WINTER);
        let minutes = UtcOffset::new(345);
        assert_eq!(place, Place { country: Country::parse("NP"), utc_offset: minutes, network_kind: None });
        let nothing = place_of(Some(Platform::default()), CountrySource::Cloudflare);
        assert_eq!(nothing, Place::default());
    }

    fn place_of(platform: Option<Platform<'static>>, source: CountrySource) -> Place {
        place(platform, spoofed, &client(source), WINTER)
    }

    #[test]
    fn the_setting_says_who_knows_the_country() {
        let country = |platform, source| place_of(platform, source).country.map(|country| country.as_str().to_owned());
        let np = of("NP", "Asia/Kathmandu", 17501);
        assert_eq!(country(None, CountrySource::Cloudflare).as_deref(), Some("KP"));
        assert_eq!(country(np, CountrySource::Cloudfront).as_deref(), Some("AQ"));
        assert_eq!(place_of(np, CountrySource::Cloudfront).utc_offset, None);
        assert_eq!(country(np, CountrySource::None), None);
        for unknown in ["XX", "xx", "", "Nepal", "N1", "\u{e9}t"] {
            let platform = Some(Platform { country: Some(unknown), ..Platform::default() });
            assert_eq!(country(platform, CountrySource::Cloudflare), None, "{unknown}");
        }
    }

    #[test]
    fn offsets_are_those_of_the_day() {
        let offset = |zone, at| {
            place(of("DE", zone, 1), spoofed, &client(CountrySource::Cloudflare), at)
                .utc_offset
                .map(|offset| offset.minutes())
        };
        assert_eq!((offset("Europe/Berlin", WINTER), offset("Europe/Berlin", SUMMER)), (Some(60), Some(120)));
        assert_eq!((offset("Pacific/Chatham", WINTER), offset("Mars/Base", WINTER)), (Some(825), None));
    }

    #[test]
    fn networks_of_machines_are_told() {
        assert!(DATA_CENTRES.is_sorted());
        let kind = |country, asn| place_of(of(country, "UTC", asn), CountrySource::Cloudflare).network_kind;
        assert_eq!(kind("US", 16509), Some(NetworkKind::DataCentre));
        assert_eq!(kind("DE", 3320), None);
        assert_eq!(kind("T1", 24940), Some(NetworkKind::Tor));
        assert_eq!(kind("US", 13335), None);
    }

    #[test]
    fn the_setting_names_the_header_of_the_address() {
        let cases = [
            (AddressHeader::CfConnectingIp, Some("203.0.113.77")),
            (AddressHeader::XForwardedForLast, Some("198.51.100.7")),
            (AddressHeader::CloudfrontViewerAddress, Some("2001:db8::7")),
            (AddressHeader::None, None),
        ];
        for (header, expected) in cases {
            assert_eq!(address(spoofed, &Client { address: header, ..Client::default() }), expected);
        }
        let v4 = |name: &str| (name == "cloudfront-viewer-address").then_some("198.51.100.10:46532");
        let client = Client { address: AddressHeader::CloudfrontViewerAddress, ..Client::default() };
        assert_eq!(address(v4, &client), Some("198.51.100.10"));
        assert_eq!(address(|_| None, &client), None);
    }
}
