// @ts-check
/**
 * A chat app's year, as its backend tells it: seeded, the same lines for the same words.
 *
 *     node tests/history/history.mjs <folder> [events=60000] [seed=7] [end=now - 1 min, RFC 3339 or ms]
 *
 * Writes lines of wire events, to be sent file after file, each in any grouping and, but for what is said of duplicates, any order:
 *
 * - `events-0.ndjson` choices made before anything is heard of these people;
 * - `events-1.ndjson` the year, nearly by time: one in ten is up to seven days late, one in a hundred comes twice;
 * - `events-2.ndjson` people who withdraw their consent in the middle;
 * - `events-3.ndjson` what is heard of them after that.
 *
 * and `erased.json`, people to erase when all is sent, and `history.json`, what it is made of.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { seeded } from '../lib/sage.mjs';
import { DAY_MS, HOUR_MS, MINUTE_MS, changesOf, cohort, makePerson, visits, waiting } from './people.mjs';
import { WISHES, talker } from './talk.mjs';

const LATE_MS_MAX = 7 * DAY_MS;
const LATE_SHARE = 0.1;
const TWICE_SHARE = 0.01;
const ERASED_MAX = 12;
const PLATFORMS = ['calendar', 'drive', 'mail', 'music', 'whatsapp'];
const REASONS = ['denied', 'expired_code', 'network'];
const ROUTES = ['/', '/chat', '/pricing', '/settings'];
/** Milliseconds that are usual of a vital; `cls` is a score. */
const VITALS = /** @type {const} */ ([['lcp', 2_200], ['inp', 160], ['cls', 0.08], ['fcp', 1_500], ['ttfb', 500]]);

/** @typedef {{ folder: string, events?: number, seed?: number, endMs?: number }} Wanted */

/**
 * Makes a history and writes it.
 * @param {Wanted} wanted
 * @returns {Promise<{ files: string[], erased: string[], events: number, people: number, endMs: number, firstMs: number, kinds: Record<string, number> }>}
 */
export async function history({ folder, events: wantedEvents = 60_000, seed = 7, endMs = Date.now() - MINUTE_MS }) {
  const random = seeded(seed);
  const order = seeded(seed + 1);
  const firstMs = endMs - 365 * DAY_MS;
  /** When it is sent, and its line; by file. @type {[number, string][][]} */
  const files = [[], [], [], []];
  /** @type {Record<string, number>} */
  const kinds = {};
  let made = 0;
  /** @param {number} file @param {number} ts @param {Record<string, any>} event */
  function put(file, ts, { type, ...event }) {
    kinds[type] = (kinds[type] ?? 0) + 1;
    const line = JSON.stringify({ type, id: `h${seed}-${made++}`, ts: new Date(ts).toISOString(), ...event });
    const sent = ts + (order.chance(LATE_SHARE) ? order.below(LATE_MS_MAX) : 0);
    files[file]?.push([sent, line]);
    if (order.chance(TWICE_SHARE)) files[file]?.push([sent + order.below(LATE_MS_MAX), line]);
  }

  /** Where the next events go, and what is said with each of them. @type {{ file: (ts: number) => number, said: Record<string, any> }} */
  let now = { file: () => 1, said: {} };
  const emit = (/** @type {number} */ ts, /** @type {Record<string, any>} */ event) => put(now.file(ts), ts, { ...event, ...now.said });
  const visit = talker(random, emit, endMs);
  const nobody = () => ({});

  /** @type {string[]} */
  const erased = [];
  let people = 0;
  const own = Math.floor(wantedEvents * 0.93);
  while (made < own) {
    const person = makePerson(random, people++, seed, firstMs, endMs);
    const kind = random.next();
    const choice = (/** @type {string} */ state) => ({ type: 'consent', user_id: person.id, state, purpose: 'analytics' });
    if (kind < 0.004) {
      put(0, person.start, choice('withdrawn'));
    } else if (kind < 0.006) {
      // Withdrawn, then granted again: counted.
      put(0, person.start - HOUR_MS, choice('withdrawn'));
      put(0, person.start, choice('granted'));
    } else if (kind < 0.01) {
      now = { file: () => 1, said: { opted_out: true } };
    } else if (kind < 0.012) {
      now = { file: () => 1, said: { age_13_plus: false } };
    } else if (kind < 0.018) {
      const left = person.start + Math.floor(random.next() * (person.end - person.start));
      put(2, Math.floor(left), choice('withdrawn'));
      now = { file: (ts) => (ts >= left ? 3 : 1), said: {} };
    } else if (kind < 0.023 && erased.length < ERASED_MAX) {
      erased.push(person.id);
    }
    life(person);
    now = { file: () => 1, said: {} };
  }

  /** @param {import('./people.mjs').Person} person */
  function life(person) {
    const cohortAt = (/** @type {number} */ at) => cohort(person, at);
    const mine = { user_id: person.id };
    let index = 0;
    for (const start of visits(random, person)) {
      if (made >= own) return;
      if (person.talks === 0 || random.chance(0.7)) {
        person.talks++;
        index = 0;
      }
      const who = {
        ...mine, ...(random.chance(0.985) ? { conversation_id: `talk-${person.id}-${person.talks}` } : {}),
        ...(person.namesSessions ? { session_id: `visit-${person.id}-${Math.floor(start / DAY_MS)}` } : {}),
      };
      index += visit(start, who, cohortAt, { firstIndex: index });
    }
    if (person.guestUntil !== null && person.guestUntil < person.end && person.guestUntil > person.start && random.chance(0.7)) {
      emit(Math.floor(person.guestUntil), { type: 'journey', ...mine, ...cohortAt(person.guestUntil), name: 'sign_up', success: true });
    }
    if (random.chance(person.end - person.start > 5 * DAY_MS ? 0.35 : 0.12)) integrate(person, mine, cohortAt);
  }

  /** A connection to a platform, for as long as it lasts. @param {import('./people.mjs').Person} person @param {Record<string, any>} mine @param {(at: number) => Record<string, any>} cohortAt */
  function integrate(person, mine, cohortAt) {
    const platform = random.pick(PLATFORMS);
    const tell = (/** @type {number} */ at, /** @type {string} */ event, more = {}) => {
      const ts = Math.floor(at);
      if (ts <= endMs) emit(ts, { type: 'platform', ...mine, ...cohortAt(ts), platform, event, ...more });
    };
    let at = person.start + random.next() * 3 * DAY_MS;
    if (random.chance(0.2)) tell(at, 'connection_failed', random.chance(0.8) ? { reason: random.pick(REASONS) } : {});
    at += 5 * MINUTE_MS;
    tell(at, 'connected', random.chance(0.7) ? { token_expires_days: random.pick([7, 30, 90, 365]) } : {});
    const until = random.chance(0.15) ? endMs : Math.min(endMs, person.end + waiting(random, 10 * DAY_MS));
    for (let n = 0; n < 14; n++) {
      at += waiting(random, Math.max(5 * DAY_MS, (until - person.start) / 12));
      if (at > until) break;
      if (random.chance(0.6)) tell(at, 'api_call', { ...(random.chance(0.95) ? { status: random.chance(0.9) ? 200 : random.pick([400, 401, 429, 500, 503]) } : {}), ...(random.chance(0.9) ? { latency_ms: 20 + random.below(900) } : {}) });
      else if (random.chance(0.8)) tell(at, 'synced', random.chance(0.2) ? { token_expires_days: random.below(40) } : {});
      else if (random.chance(0.4)) tell(at, 'rate_limited', { status: 429 });
      else if (random.chance(0.5)) tell(at, 'expired');
      else tell(at, 'connected', { token_expires_days: random.pick([0, 3, 30]) });
    }
    if (at < until && random.chance(0.5)) tell(at + HOUR_MS, 'disconnected');
  }

  // Talks of no one in particular: by conversation, by session, by nothing at all.
  const anonymous = wantedEvents * 0.97;
  for (let n = 0; made < anonymous; n++) {
    const start = Math.floor(firstMs + Math.sqrt(random.next()) * (endMs - firstMs));
    const dice = random.next();
    const who = dice < 0.55 ? { conversation_id: `guest-talk-${seed}-${random.below(1 + n)}`, guest: true } : dice < 0.8 ? { session_id: `guest-visit-${seed}-${n}`, guest: true } : {};
    if (dice > 0.97) now = { file: () => 1, said: { opted_out: true } };
    visit(start, who, dice < 0.5 ? () => ({ country: 'FR', utc_offset_minutes: 60 }) : nobody);
    now = { file: () => 1, said: {} };
  }

  // Where days and offsets change: to the millisecond.
  let edge = 0;
  const edges = [
    ...changesOf('America/St_Johns', firstMs, endMs).flatMap((at) => [-90, -45, -1, 0, 15, 59].map((minutes) => at + minutes * MINUTE_MS)),
    ...[1, 7, 20, 45].flatMap((days) => [0, -345, 210, 150].map((minutes) => Math.floor(endMs / DAY_MS - days) * DAY_MS + minutes * MINUTE_MS)),
  ];
  for (const at of edges) {
    for (const ms of [-1, 0, 1]) {
      const user = `edge-${seed}-${edge++}`;
      visit(at + ms, { user_id: user, conversation_id: `talk-${user}` }, () => ({ country: 'CA', utc_offset_minutes: -210, plan: 'free', guest: false }), { turns: 1 + (edge % 4) });
    }
  }
  // The last minutes before the end: there is something live.
  for (let n = 0; n < 12; n++) visit(endMs - random.below(6 * MINUTE_MS), { user_id: `live-${seed}-${n}`, conversation_id: `live-talk-${seed}-${n}` }, nobody, { turns: 3 });

  while (made < wantedEvents) {
    const at = Math.floor(firstMs + Math.sqrt(random.next()) * (endMs - firstMs));
    const dice = random.next();
    if (dice < 0.25) emit(at, { type: 'service_cost', service: random.pick(['cdn', 'compute', 'database', 'other']), ...(random.chance(0.6) ? { provider: random.pick(['cloud-a', 'cloud-b']) } : {}), nano_usd: random.below(400_000_000) });
    else if (dice < 0.9) {
      const [name, usual] = random.pick(VITALS);
      const value = usual * (0.2 + random.next() * random.next() * 4);
      emit(at, { type: 'vital', name, value: name === 'cls' ? Math.round(value * 10_000) / 10_000 : Math.round(value), url: random.pick(ROUTES) });
    } else if (dice < 0.97) emit(at, { type: 'error', component: random.pick(['worker', 'queue']), code: `W${1 + random.below(5)}` });
    else if (dice < 0.985) emit(at, { type: 'incident', severity: random.pick(['p0', 'p1', 'p2', 'p3']), code: random.pick(['outage', 'leak', 'harm']), ...(random.chance(0.5) ? { resolved: true } : {}) });
    else emit(at, random.chance(0.2) ? { type: 'notice', kind: 'safety_policy', code: `policy-v${random.below(9)}` } : { type: 'notice', kind: random.pick(['wish_building', 'wish_planned', 'wish_declined']), code: random.pick(WISHES) });
  }

  await mkdir(folder, { recursive: true });
  const names = [];
  for (const [n, lines] of files.entries()) {
    lines.sort(([a], [b]) => a - b);
    const name = join(folder, `events-${n}.ndjson`);
    const out = createWriteStream(name);
    for (let from = 0; from < lines.length; from += 20_000) {
      const part = `${lines.slice(from, from + 20_000).map(([, line]) => line).join('\n')}\n`;
      if (!out.write(part)) await new Promise((resolve) => out.once('drain', () => resolve(undefined)));
    }
    await new Promise((resolve) => out.end(() => resolve(undefined)));
    names.push(name);
  }
  const what = { files: names, erased, events: made, people, endMs, firstMs, kinds };
  await writeFile(join(folder, 'erased.json'), JSON.stringify(erased));
  await writeFile(join(folder, 'history.json'), JSON.stringify(what));
  return what;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, events, seed, end] = process.argv.slice(2);
  if (!folder) {
    process.stderr.write('usage: node tests/history/history.mjs <folder> [events] [seed] [end]\n');
    process.exit(2);
  }
  const ends = end === undefined ? {} : { endMs: /^\d+$/.test(end) ? Number(end) : Date.parse(end) };
  const { files: _, erased, ...told } = await history({ folder, ...(events ? { events: Number(events) } : {}), ...(seed ? { seed: Number(seed) } : {}), ...ends });
  process.stdout.write(`${JSON.stringify({ ...told, erased: erased.length })}\n`);
}
