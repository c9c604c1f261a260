// @ts-check
/**
 * Invented people and what they did: who signed up when, on which days they came, what they asked and what it took.
 *
 * Everything follows from `seed`, `users` and `days` and the civil date, never from the hour of the run: a run tomorrow makes the same
 * events again, with the same ids, for the days that both runs cover.
 */
import { createHash } from 'node:crypto';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const TIMEOUT_MS = 30_000;

/** @typedef {import('./intake.mjs').WireEvent} WireEvent */
/** @typedef {() => number} Random uniform in [0, 1) */

/**
 * Models as of when they could be used; `lean` is the tokens of reasoning per token said.
 * @typedef {{ provider: string, model: string, since: number, premium: number, free: number, ttftMs: number, tokensPerS: number, lean: number, liked: number }} SyntheticModel
 */

/** @type {readonly SyntheticModel[]} */
const MODELS = [
  { provider: 'openai', model: 'gpt-4o-2024-08-06', since: 0, premium: 1, free: 2, ttftMs: 480, tokensPerS: 80, lean: 0, liked: 0.78 },
  { provider: 'openai', model: 'gpt-5-mini-2025-08-07', since: Date.UTC(2025, 7, 7), premium: 1, free: 5, ttftMs: 900, tokensPerS: 110, lean: 1.2, liked: 0.8 },
  { provider: 'openai', model: 'gpt-5-2025-08-07', since: Date.UTC(2025, 7, 7), premium: 2, free: 0.2, ttftMs: 2100, tokensPerS: 70, lean: 2.5, liked: 0.84 },
  { provider: 'anthropic', model: 'claude-sonnet-4-5-20250929', since: Date.UTC(2025, 8, 29), premium: 3, free: 0.5, ttftMs: 820, tokensPerS: 75, lean: 0, liked: 0.88 },
  { provider: 'anthropic', model: 'claude-haiku-4-5-20251001', since: Date.UTC(2025, 9, 15), premium: 1, free: 4, ttftMs: 420, tokensPerS: 140, lean: 0, liked: 0.82 },
  { provider: 'anthropic', model: 'claude-sonnet-4-6', since: Date.UTC(2026, 1, 17), premium: 5, free: 0.7, ttftMs: 760, tokensPerS: 80, lean: 0.3, liked: 0.9 },
];

/** Where people live: country, time zone, weight. @type {readonly (readonly [string, string, number])[]} */
const PLACES = [
  ['US', 'America/New_York', 18], ['US', 'America/Los_Angeles', 10], ['US', 'America/Chicago', 6], ['GB', 'Europe/London', 12],
  ['DE', 'Europe/Berlin', 9], ['IN', 'Asia/Kolkata', 9], ['BR', 'America/Sao_Paulo', 6], ['FR', 'Europe/Paris', 5], ['CA', 'America/Toronto', 5],
  ['AU', 'Australia/Sydney', 5], ['NG', 'Africa/Lagos', 4], ['JP', 'Asia/Tokyo', 4], ['MX', 'America/Mexico_City', 3], ['NP', 'Asia/Kathmandu', 2],
  ['SE', 'Europe/Stockholm', 2],
];

/** Weight of each local hour: a morning, a lunch break, a long evening. */
const HOURS = [3, 2, 1, 1, 1, 2, 5, 9, 9, 6, 5, 5, 7, 6, 5, 5, 6, 7, 8, 10, 13, 15, 13, 7];
/** Weight of each local weekday, from Sunday: people come after a working day, and on Sunday evening. */
const WEEKDAYS = [1.1, 1.15, 1.05, 1, 1, 0.8, 0.75];

const FAILURES = /** @type {const} */ ([
  ['error', 'overloaded_error'], ['error', 'rate_limit_exceeded'], ['error', 'server_error'], ['timeout', 'timeout'], ['filtered', 'content_filter'],
]);

/**
 * The history of the `days` civil days (UTC) before `now` and of today so far, in order of time; nothing of it lies after `now`.
 * @param {{ days: number, users: number, seed: number, now: number }} options
 * @returns {WireEvent[]}
 */
export function synthesize({ days, users, seed, now }) {
  const today = Math.floor(now / DAY_MS);
  const scope = `${seed}/${days}/${users}`;
  const daysPerUser = days / users;
  const firstDay = today - days;
  /** @type {WireEvent[]} */
  const events = [];
  // Sign-ups are spread over absolute time, so that moving the window drops the oldest people whole and changes nobody else.
  for (let number = Math.floor(firstDay / daysPerUser); number * daysPerUser <= today; number++) {
    const random = randomOf(`${scope}/person/${number}`);
    const joined = Math.floor((number + random()) * daysPerUser);
    if (joined >= firstDay && joined <= today) live(person(scope, number, joined, random), today, now, events);
  }
  return events.sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : a.id < b.id ? -1 : 1));
}

/**
 * @typedef {{ id: string, joined: number, until: number, guestUntil: number, premiumFrom: number, country: string, zone: string, keen: number, talkative: number, favourite: number }} Person
 */

/**
 * @param {string} scope
 * @param {number} number
 * @param {number} joined day since 1970
 * @param {Random} random
 * @returns {Person}
 */
function person(scope, number, joined, random) {
  const [country, zone] = weighted(PLACES, ([, , weight]) => weight, random);
  const kind = random();
  // A quarter looks in and leaves, half stays for some months, a quarter stays for good.
  const stays = kind < 0.25 ? Math.floor(random() * 4) : kind < 0.75 ? 7 + exponential(150, random) : 2000;
  const startsAsGuest = random() < 0.4;
  return {
    id: `demo-history-${scope.replaceAll('/', '-')}-${number}`,
    joined,
    until: joined + stays,
    guestUntil: startsAsGuest ? joined + Math.ceil(random() * 5) : joined,
    premiumFrom: random() < 0.35 ? joined + 5 + exponential(40, random) : Infinity,
    country,
    zone,
    keen: 0.2 + 0.6 * random(),
    talkative: 2 + 5 * random(),
    favourite: random(),
  };
}

/**
 * Adds all events of one person up to `now`.
 * @param {Person} someone
 * @param {number} today
 * @param {number} now
 * @param {WireEvent[]} events
 */
function live(someone, today, now, events) {
  let conversation = 0;
  let turnIndex = 0;
  for (let day = someone.joined; day <= Math.min(today + 1, someone.until); day++) {
    const random = randomOf(`${someone.id}/${day}`);
    if (day !== someone.joined && random() >= chanceOfComing(someone, day)) continue;
    const offset = utcOffsetMinutes(someone.zone, day * DAY_MS);
    const visits = 1 + (random() < 0.3 ? 1 : 0) + (random() < 0.08 ? 1 : 0);
    const starts = Array.from({ length: visits }, () => {
      const hour = weighted(HOURS.map((weight, at) => /** @type {const} */ ([at, weight])), ([, weight]) => weight, random)[0];
      return day * DAY_MS + (hour * 60 + random() * 60 - offset) * MINUTE_MS;
    }).sort((a, b) => a - b);
    let free = 0;
    for (const start of starts) {
      if (turnIndex > 0 && random() < 0.85) {
        conversation++;
        turnIndex = 0;
      }
      const visit = { someone, day, offset, conversation: `${someone.id}-${conversation}` };
      const end = talk(visit, Math.max(start, free), turnIndex, now, events, random);
      turnIndex = end.turnIndex;
      free = end.at + 40 * MINUTE_MS;
    }
  }
}

/**
 * One visit: turns at a person's pace, a thumb now and then.
 * @param {{ someone: Person, day: number, offset: number, conversation: string }} visit
 * @param {number} start
 * @param {number} turnIndex
 * @param {number} now
 * @param {WireEvent[]} events
 * @param {Random} random
 */
function talk({ someone, day, offset, conversation }, start, turnIndex, now, events, random) {
  const premium = day >= someone.premiumFrom;
  const guest = day < someone.guestUntil;
  const chosen = modelOn(day, premium, random() < 0.7 ? someone.favourite : random());
  const badDay = randomOf(`bad day/${chosen.provider}/${day}`)() < 0.02;
  const turns = 1 + Math.min(40, exponential(someone.talkative - 1, random));
  let at = start;
  for (let i = 0; i < turns; i++, turnIndex++) {
    const id = uuidOf(`${conversation}/${turnIndex}`);
    const fate = random();
    const failed = fate < (badDay ? 0.2 : 0.008);
    const cancelled = !failed && random() < 0.015;
    const userChars = 12 + exponential(110, random);
    const said = Math.round((cancelled ? 0.4 : 1) * (60 + exponential(140, random)));
    const ttft = Math.round(chosen.ttftMs * (0.6 + exponential(45, random) / 100) * (badDay ? 2.5 : 1));
    const reasoning = Math.round(said * chosen.lean * (0.5 + random()));
    const [failure, code] = FAILURES[Math.floor(random() * FAILURES.length)];
    const replied = ttft + Math.round(((said + reasoning) / chosen.tokensPerS) * 1000);
    const latency = !failed ? replied : failure === 'timeout' ? TIMEOUT_MS : ttft;
    const who = { user_id: someone.id, conversation_id: conversation, turn_index: turnIndex };
    const cohort = { country: someone.country, utc_offset_minutes: offset, plan: premium ? 'premium' : 'free', guest };
    const turn = { type: 'turn', id, ts: new Date(at).toISOString(), ...who, provider: chosen.provider, model: chosen.model, feature: 'demo', ...cohort, user_chars: userChars };
    const done = at + latency;
    if (done <= now) {
      if (failed) {
        events.push({ ...turn, status: failure, error_code: code, latency_ms: latency, assistant_chars: 0 });
      } else {
        events.push({
          ...turn, status: cancelled ? 'cancelled' : 'ok', latency_ms: latency, ttft_ms: ttft, assistant_chars: Math.round(said * 4.3),
          usage: usage(chosen.provider, turnIndex, i, userChars, said, reasoning),
        });
      }
    }
    const thumb = random();
    const liked = random() < chosen.liked - (badDay ? 0.25 : 0) - Math.min(0.2, latency / 100_000);
    const ratedAt = done + Math.round(3000 + random() * 20_000);
    if (!failed && !cancelled && thumb < 0.12 && ratedAt <= now) {
      events.push({ type: 'feedback', id: uuidOf(`${conversation}/${turnIndex}/thumb`), ts: new Date(ratedAt).toISOString(), ...who, rating: liked ? 'up' : 'down', model: chosen.model });
    }
    at = Math.round(done + 15_000 + exponential(70, random) * 1000);
  }
  return { at, turnIndex };
}

/**
 * Canonical usage: the instructions and the conversation so far are read each time; within a visit Anthropic's cache, and for longer prompts
 * OpenAI's, serves what it has seen.
 * @param {string} provider
 * @param {number} turnIndex
 * @param {number} turnOfVisit
 * @param {number} userChars
 * @param {number} said
 * @param {number} reasoning
 */
function usage(provider, turnIndex, turnOfVisit, userChars, said, reasoning) {
  const instructions = 1100;
  const before = Math.min(turnIndex, 20) * 240;
  const asked = Math.ceil(userChars / 4);
  const prefix = instructions + before;
  const warm = turnOfVisit > 0;
  const anthropic = provider === 'anthropic';
  const read = !warm ? 0 : anthropic ? Math.max(0, prefix - 240) : Math.floor(prefix / 128) * 128;
  return {
    input_tokens: prefix + asked,
    output_tokens: said + reasoning,
    cache_read_tokens: read,
    cache_write_tokens: anthropic ? prefix - read : 0,
    cache_write_1h_tokens: 0,
    reasoning_tokens: reasoning,
  };
}

/**
 * @param {Person} someone
 * @param {number} day
 */
function chanceOfComing(someone, day) {
  const date = new Date(day * DAY_MS);
  const age = day - someone.joined;
  const novelty = 1 + 0.5 * Math.exp(-age / 5);
  const season = [1.3, 1.15, 1.05, 1, 0.95, 0.9, 0.85, 0.85, 1, 1.05, 1.1, 1][date.getUTCMonth()];
  return Math.min(0.97, someone.keen * novelty * season * WEEKDAYS[date.getUTCDay()]);
}

/**
 * @param {number} day
 * @param {boolean} premium
 * @param {number} taste in [0, 1)
 */
function modelOn(day, premium, taste) {
  const available = MODELS.filter(({ since }) => since <= day * DAY_MS);
  return weighted(available, (model) => (premium ? model.premium : model.free), () => taste);
}

/**
 * @template T
 * @param {readonly T[]} items
 * @param {(item: T) => number} weightOf
 * @param {Random} random
 * @returns {T}
 */
function weighted(items, weightOf, random) {
  let rest = random() * items.reduce((sum, item) => sum + weightOf(item), 0);
  return items.find((item) => (rest -= weightOf(item)) < 0) ?? items[items.length - 1];
}

/**
 * A whole number, exponentially distributed about `mean`.
 * @param {number} mean
 * @param {Random} random
 */
function exponential(mean, random) {
  return Math.round(-Math.log(1 - random()) * mean);
}

/** @type {Map<string, Intl.DateTimeFormat>} */
const FORMATS = new Map();

/**
 * What clocks in a zone show, in minutes east of UTC.
 * @param {string} zone IANA name
 * @param {number} ms
 */
function utcOffsetMinutes(zone, ms) {
  let format = FORMATS.get(zone);
  if (!format) FORMATS.set(zone, (format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })));
  const name = format.formatToParts(ms).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const match = /GMT([+-])(\d\d):(\d\d)/.exec(name);
  return match ? (match[1] === '-' ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3])) : 0;
}

/**
 * A stream of uniform numbers that depends on `name` alone (sfc32, seeded by SHA-256).
 * @param {string} name
 * @returns {Random}
 */
function randomOf(name) {
  const digest = createHash('sha256').update(name).digest();
  let [a, b, c, d] = [0, 4, 8, 12].map((at) => digest.readInt32LE(at));
  return () => {
    const t = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return (t >>> 0) / 2 ** 32;
  };
}

/**
 * A UUID (version 8, RFC 9562) that names the same thing in every run.
 * @param {string} name
 */
function uuidOf(name) {
  const bytes = createHash('sha256').update(name).digest().subarray(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x80;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
