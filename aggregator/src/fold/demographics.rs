//! Where people's requests come from and what they use. Robots' requests are in no number of it.

use schemas::Bucket15;
use schemas::event::{Country, DeviceClass, Request};

use super::named::Named;
use super::names::NONE;

/// Counts a person's request.
pub(super) fn request(named: &mut Named, bucket: Bucket15, country: Option<Country>, request: &Request) {
    let device = request.device.as_ref();
    if device.is_some_and(|device| device.bot.is_some()) {
        return;
    }
    let country = country.as_ref().map_or(NONE, Country::as_str);
    let mut place = String::with_capacity(16);
    place.push_str(country);
    place.push(' ');
    place.push_str(device.map_or(NONE, |device| DeviceClass::as_str(device.class)));
    named.places.change(&place, bucket, |n| *n += 1);
    named.browsers.change(device.map_or(NONE, |device| device.browser.family.as_str()), bucket, |n| *n += 1);
    named.systems.change(device.map_or(NONE, |device| device.os.family.as_str()), bucket, |n| *n += 1);
    if let Some(domain) = &request.referrer_domain {
        named.people_referrers.change(domain, bucket, |n| *n += 1);
    }
}
