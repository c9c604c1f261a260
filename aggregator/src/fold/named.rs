//! What a UTC day holds by name, gathered in one place: one kind of names, one line of the table below.
//!
//! What is counted of a name is said in the panel's own file, and in `naming.rs` which names an event counts under.

use schemas::{Bucket15, FlatMap, UtcDay};
use serde::{Deserialize, Serialize};

use super::integrations::Platform;
use super::names::{Additive, Names, Quarters, Rate};
use super::operations::{Model, Visits};
use super::sentiment::{Intent, Wish};
use crate::stats::histogram::Counts;

macro_rules! named {
    ($($(#[doc = $doc:literal])* $list:ident: $counts:ty $([$max:expr])?,)+) => {
        /// Counts of a UTC day by what outsiders can name.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Named {
            $($(#[doc = $doc])* #[serde(default)] pub $list: Names<$counts $(, {$max})?>,)+
            /// Milliseconds from a request to its response's head.
            #[serde(default)]
            pub ttfb: Quarters<Counts>,
            /// Seconds from the first sign of a crisis to its escalation.
            #[serde(default)]
            pub escalation: Quarters<Counts>,
        }

        /// Counts of a window by name, over all Shards.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct NamedTotals {
            $($(#[doc = $doc])* pub $list: FlatMap<String, $counts>,)+
            /// Milliseconds from a request to its response's head.
            pub ttfb: Counts,
            /// Seconds from the first sign of a crisis to its escalation.
            pub escalation: Counts,
        }

        impl Named {
            /// Adds what of this day lies in `[from, to)`.
            pub fn sum(&self, day: UtcDay, from: Bucket15, to: Bucket15, totals: &mut NamedTotals) {
                $(self.$list.sum(day, from, to, &mut totals.$list);)+
                self.ttfb.within(day, from, to).for_each(|(_, counts)| totals.ttfb.merge(counts));
                self.escalation.within(day, from, to).for_each(|(_, counts)| totals.escalation.merge(counts));
            }

            /// Takes out what a person's events have added.
            pub fn take_out(&mut self, other: &Self) {
                $(self.$list.take_out(&other.$list);)+
                self.ttfb.take_out(&other.ttfb);
                self.escalation.take_out(&other.escalation);
            }
        }

        impl NamedTotals {
            /// Adds another window's counts.
            pub fn merge(&mut self, other: &Self) {
                $(Additive::merge(&mut self.$list, &other.$list);)+
                self.ttfb.merge(&other.ttfb);
                self.escalation.merge(&other.escalation);
            }
        }
    };
}

/// Most pairs of country and device class in a UTC day of a Shard: all countries with a few classes each.
pub const PLACES_MAX: usize = 1_000;
/// Most triples of vital, device class and page in a UTC day of a Shard.
pub const VITALS_MAX: usize = 500;
/// Most triples of provider, model and error code in a UTC day of a Shard.
pub const CODES_MAX: usize = 200;

named! {
    /// Requests by route template.
    routes: Visits,
    /// Requests by the referrer's registrable domain; those without one are not among them.
    referrers: Visits,
    /// Turns by model.
    models: Model,
    /// Failed turns by provider, model and error code (else status), with a space between them.
    codes: u32 [CODES_MAX],
    /// Journeys, observations and ratings by intent; those without one are not among them.
    intents: Intent,
    /// Thumbs by the model that wrote the reply, hits are up; those that name none are not among them.
    rated_models: Rate,
    /// Observations by version of the sentinel's model, hits are frustrated.
    sentinels: Rate,
    /// Wishes by tag.
    wishes: Wish,
    /// Milliseconds of journeys by name.
    actions: Counts,
    /// Web vitals by name, device class and page, with a space between them: milliseconds, of CLS thousandths.
    vitals: Counts [VITALS_MAX],
    /// Reported errors by component and code, with a space between them; hits are fatal.
    errors: Rate [CODES_MAX],
    /// Flagged crises by version of the detector; hits were found false.
    detectors: Rate,
    /// Integrations by platform.
    platforms: Platform,
    /// Failed connections by platform and reason, with a space between them.
    reasons: u32 [CODES_MAX],
    /// Requests of people by country and device class, with a space between them.
    places: u32 [PLACES_MAX],
    /// Requests of people by browser family.
    browsers: u32,
    /// Requests of people by operating system family.
    systems: u32,
    /// Requests of people by the referrer's registrable domain; those without one are not among them.
    people_referrers: u32,
}
