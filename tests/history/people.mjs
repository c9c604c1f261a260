// @ts-check
/** The people of a history: where they live, what they pay, how often they come, and when they stop. */

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** Country, zone, share of people, and whether the app tells the two. */
const HOMES = /** @type {const} */ ([
  ['US', 'America/New_York', 0.22], ['US', 'America/Los_Angeles', 0.12], ['CA', 'America/St_Johns', 0.12], ['NP', 'Asia/Kathmandu', 0.12], ['IN', 'Asia/Kolkata', 0.1],
  ['DE', 'Europe/Berlin', 0.08], ['GB', 'Europe/London', 0.06], ['JP', 'Asia/Tokyo', 0.05], ['BR', 'America/Sao_Paulo', 0.05], ['NZ', 'Pacific/Chatham', 0.03],
  [null, 'Africa/Lagos', 0.03], ['NG', null, 0.02],
]);

/** How much of a day's use falls into each of its hours, by people's own clocks. */
const HOURS = [2, 1, 1, 1, 1, 2, 4, 7, 10, 11, 11, 10, 9, 9, 9, 9, 9, 10, 12, 14, 15, 13, 9, 5];
/** Monday to Sunday. */
const WEEKDAYS = [1.1, 1.15, 1.1, 1.05, 0.95, 0.7, 0.75];

/** Plans that are paid for, dearest last. */
const PLANS = ['free', 'plus', 'pro'];

/** @typedef {ReturnType<typeof import('../lib/sage.mjs').seeded>} Random */

/** An item by its share of the whole. @template T @param {Random} random @param {readonly T[]} items @param {(item: T) => number} share */
export function weighted(random, items, share) {
  let left = random.next() * items.reduce((sum, item) => sum + share(item), 0);
  for (const item of items) if ((left -= share(item)) < 0) return item;
  return /** @type {T} */ (items[items.length - 1]);
}

/** Exponential of that mean. @param {Random} random @param {number} mean */
export const waiting = (random, mean) => -Math.log(1 - random.next()) * mean;

/** Poisson of that mean, for small means. @param {Random} random @param {number} mean */
export function poisson(random, mean) {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random.next(); product > limit; product *= random.next()) count++;
  return count;
}

/** @type {Map<string, { at: number, minutes: number }[]>} */
const offsets = new Map();

/** Minutes east of UTC, as the runtime's own zone data has it. @param {string} zone @param {number} at */
export function offsetAt(zone, at) {
  let changes = offsets.get(zone);
  if (!changes) {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
    const minutesAt = (/** @type {number} */ ms) => {
      const [, sign, hours, minutes] = /GMT([+-])(\d\d):(\d\d)/.exec(format.format(ms)) ?? ['', '+', '0', '0'];
      return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
    };
    changes = [];
    const end = at + 800 * DAY_MS;
    for (let ms = Math.floor(at / DAY_MS - 800) * DAY_MS; ms < end; ms += DAY_MS) {
      const minutes = minutesAt(ms);
      const last = changes[changes.length - 1];
      if (last?.minutes === minutes) continue;
      let [low, high] = [ms - DAY_MS, ms];
      while (last && high - low > 15 * MINUTE_MS) {
        const middle = low + Math.floor((high - low) / 2 / (15 * MINUTE_MS)) * 15 * MINUTE_MS;
        if (minutesAt(middle) === last.minutes) low = middle; else high = middle;
      }
      changes.push({ at: last ? high : -Infinity, minutes });
    }
    offsets.set(zone, changes);
  }
  let minutes = 0;
  for (const change of changes) if (change.at <= at) ({ minutes } = change);
  return minutes;
}

/** Instants at which a zone's offset changes. @param {string} zone @param {number} from @param {number} to */
export function changesOf(zone, from, to) {
  offsetAt(zone, to);
  return (offsets.get(zone) ?? []).map(({ at }) => at).filter((at) => at > from && at < to);
}

/**
 * A person: `start` and `end` are the first and last day they may come on; `rate` sessions a day at most; `guestUntil` when
 * they sign up (`-Infinity`: always signed in, `null`: the app does not say).
 * @param {Random} random @param {number} number @param {number} seed @param {number} firstMs @param {number} endMs
 */
export function makePerson(random, number, seed, firstMs, endMs) {
  const [country, zone] = weighted(random, HOMES, ([, , share]) => share);
  // The app grows: three times as many come in the last week as in the first.
  const span = endMs - firstMs;
  const share = (Math.sqrt(1 + 8 * random.next()) - 1) / 2;
  const start = Math.floor(firstMs + share * span);
  const fleeting = random.chance(0.78);
  const stays = fleeting ? waiting(random, 3 * DAY_MS) : waiting(random, 60 * DAY_MS);
  // Pareto: one in a hundred comes thirty times as often as most.
  const rate = Math.min(5, 0.025 / (1 - random.next()) ** 0.75);
  const guest = random.next();
  const signsUp = start + waiting(random, 6 * DAY_MS);
  const pays = random.chance(0.3) ? start + waiting(random, 30 * DAY_MS) : Infinity;
  return {
    id: `person-${seed}-${number}`, number, country, zone, start, end: Math.min(endMs, start + stays), rate,
    guestUntil: guest < 0.35 ? (random.chance(0.5) ? signsUp : Infinity) : guest < 0.93 ? -Infinity : null,
    paysFrom: pays, paysPlan: random.chance(0.7) ? 1 : 2, leavesPlan: pays + waiting(random, 80 * DAY_MS), hasPlan: random.chance(0.9),
    namesSessions: number % 10 === 3, talks: 0,
  };
}

/** @typedef {ReturnType<typeof makePerson>} Person */

/** What the app tells of a person then. @param {Person} person @param {number} at */
export function cohort(person, at) {
  const paying = at >= person.paysFrom && at < person.leavesPlan;
  return {
    ...(person.country ? { country: person.country } : {}),
    ...(person.zone ? { utc_offset_minutes: offsetAt(person.zone, at) } : {}),
    ...(person.hasPlan ? { plan: PLANS[paying ? person.paysPlan : 0] } : {}),
    ...(person.guestUntil === null ? {} : { guest: at < person.guestUntil }),
  };
}

/** When a person's sessions begin, in order. @param {Random} random @param {Person} person */
export function visits(random, person) {
  const starts = [person.start];
  for (let day = Math.floor(person.start / DAY_MS); day <= Math.floor(person.end / DAY_MS); day++) {
    // 1970-01-01 was a Thursday.
    const weekday = (((day + 3) % 7) + 7) % 7;
    for (let left = poisson(random, person.rate * /** @type {number} */ (WEEKDAYS[weekday])); left > 0; left--) {
      const hour = weighted(random, HOURS.map((share, at) => [at, share]), ([, share]) => /** @type {number} */ (share))[0] ?? 0;
      const local = day * DAY_MS + hour * HOUR_MS + random.below(HOUR_MS);
      const at = local - (person.zone ? offsetAt(person.zone, local) : 0) * MINUTE_MS;
      if (at > person.start && at <= person.end) starts.push(at);
    }
  }
  return starts.map(Math.floor).sort((a, b) => a - b);
}
