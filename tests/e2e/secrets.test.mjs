// @ts-check
/**
 * Nothing personal is ever stored: secrets are planted in every place that a client can reach, and then everything that was
 * written, logged or answered is searched for each of them in every form that a leak could take.
 */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { ADMIN_TOKEN, INGEST_KEY, PUBLIC_KEY, SALT, freePort, seeded, startOrigin, startSage, until } from '../lib/sage.mjs';
import { scanFolder, scanner } from '../lib/scan.mjs';

const PAGE = 'https://chat.example.com';
/** Requests through the proxy: two rounds of the paths below. */
const REQUESTS = 44;
const random = seeded(20_261_121);
/** Every secret planted so far. @type {Set<string>} */
const planted = new Set();

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const ALNUM = `${LETTERS}0123456789`;
const text = (/** @type {string} */ from, /** @type {number} */ length) => Array.from({ length }, () => from[random.below(from.length)]).join('');
const digits = (/** @type {number} */ length) => text('0123456789', length);
const hex = (/** @type {number} */ length) => text('0123456789abcdef', length);

/** @template {string} T @param {T} secret @returns {T} */
function plant(secret) {
  planted.add(secret);
  return secret;
}

/** Makers of secrets, a new one at each call. */
const make = {
  id: () => plant(`Usr-${text(ALNUM, 6)}-${digits(6)}`),
  email: () => { const local = plant(`${text(LETTERS, 7)}.${text(LETTERS, 8)}${digits(3)}`); return plant(`${local}@mail.example.net`); },
  ipv4: () => plant(`${11 + random.below(80)}.${100 + random.below(100)}.${100 + random.below(100)}.${100 + random.below(100)}`),
  ipv6: () => { const host = plant(`${hex(3)}a:${hex(3)}b:${hex(3)}c:${hex(3)}d`.replaceAll(/(^|:)0/g, '$11')); return plant(`2a0${1 + random.below(8)}:${1 + random.below(8)}${hex(3)}:${1 + random.below(8)}${hex(3)}:${1 + random.below(8)}${hex(3)}:${host}`); },
  token: () => plant(`${text(ALNUM + ALNUM.toUpperCase(), 30)}${digits(4)}`),
  jwt: () => { const signature = plant(text(ALNUM + ALNUM.toUpperCase(), 40)); return `eyJhbGciOiJIUzI1NiJ9.${Buffer.from(JSON.stringify({ sub: make.email() })).toString('base64url')}.${signature}`; },
  apiKey: () => plant(`sk-${text(ALNUM, 32)}${digits(3)}`),
  phone: () => plant(`+97798${digits(8)}`),
  card: () => plant(`4${digits(15)}`),
  /** A card that passes Luhn. */
  valid: () => { const body = `4${digits(14)}`; const sum = [...body].reverse().reduce((sum, digit, i) => sum + (i % 2 ? Number(digit) : [0, 2, 4, 6, 8, 1, 3, 5, 7, 9][Number(digit)]), 0); return plant(`${body}${(10 - (sum % 10)) % 10}`); },
  /** A name that looks like any word. */
  surname: () => plant(`${text(LETTERS, 3)}${text('aeiou', 2)}${text(LETTERS, 3)}${text('aeiou', 2)}r`),
  name: () => plant(`${text(LETTERS, 6)} ${text(LETTERS, 9)}`.replaceAll(/(^| )./g, (first) => first.toUpperCase())),
  uuid: () => plant(`${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`),
};
const any = () => random.pick([make.id, make.email, make.token, make.uuid, make.phone, make.card, make.name, make.apiKey])();

/** What came back from Sage's own routes. @type {string[]} */
const replies = [];

/** A request as it is: `fetch` would refuse or change some headers. @param {number} port @param {{ method?: string, path: string, headers?: Record<string, string>, body?: string | Buffer }} what @returns {Promise<{ status: number, whole: string }>} */
function raw(port, { method = 'GET', path, headers = {}, body }) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const request = httpRequest({ host: '127.0.0.1', port, method, path, headers: { ...length, ...headers } }, async (response) => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      resolve({ status: response.statusCode ?? 0, whole: `${response.rawHeaders.join('\n')}\n${Buffer.concat(chunks)}` });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** @param {import('../lib/sage.mjs').Sage} sage @param {Parameters<typeof raw>[1]} what */
async function own(sage, what) {
  const { status, whole } = await raw(sage.port, what);
  replies.push(`${what.method ?? 'GET'} ${status}\n${whole}`);
  return { status, json: (() => { try { return JSON.parse(whole.slice(whole.lastIndexOf('\n') + 1)); } catch { return null; } })() };
}

/** @param {import('../lib/sage.mjs').Sage} sage @param {string | Buffer} body @param {Record<string, string>} [headers] */
const post = (sage, body, headers = {}) =>
  own(sage, { method: 'POST', path: '/sage/v1/events', headers: { authorization: `Bearer ${INGEST_KEY}`, 'content-type': 'application/json', ...headers }, body });

const ts = () => new Date(Date.now() - 1_000).toISOString();

/** A text with everything that the redactor promises to find; names it does not. */
const told = () => random.pick([
  () => `mail ${make.email()} or call ${make.phone()}, card ${make.valid()}, from ${make.ipv4()} and ${make.ipv6()}, key ${make.apiKey()}`,
  () => `Schreibt an ${make.email()}; Karte: ${make.valid()}. Tel. ${make.phone()}!`,
  () => `${make.valid()} ${make.email()}\n${make.ipv4()}:443 [${make.ipv6()}]:80 "${make.apiKey()}"`,
])();

/** Events that are right, with a secret wherever one may stand. */
function goodEvents() {
  const envelope = () => ({ id: any(), ts: ts(), user_id: any(), conversation_id: any(), session_id: any(), country: 'NP', plan: 'premium' });
  const story = () => `I am ${make.name()}, mail ${make.email()} or call ${make.phone()}, card ${make.card()}, from ${make.ipv4()} and ${make.ipv6()}, key ${make.apiKey()}`;
  return [
    { type: 'turn', ...envelope(), provider: 'anthropic', model: 'claude-sonnet-4-5', provider_usage: { input_tokens: 9, output_tokens: 3, user: make.email(), note: make.name() } },
    { type: 'turn', ...envelope(), provider: 'openai', model: 'gpt-4o', usage: { input_tokens: 9, output_tokens: 3 } },
    { type: 'turn', ...envelope(), opted_out: true, provider: 'openai', model: 'gpt-4o', usage: { input_tokens: 9, output_tokens: 3 } },
    { type: 'feedback', ...envelope(), rating: 'down', text: story() },
    { type: 'feedback', ...envelope(), rating: 'down', text: story(), opted_out: true },
    { type: 'error', ...envelope(), component: 'chat', code: 'timeout', message: story() },
    { type: 'vital', ...envelope(), name: 'lcp', value: 1200, url: `https://app.example.com/reset/${make.token()}?mail=${encodeURIComponent(make.email())}#${make.token()}` },
    { type: 'vital', ...envelope(), name: 'inp', value: 20, url: `/u/${make.id()}/${make.uuid()}/${encodeURIComponent(make.name())}` },
    { type: 'moment', ...envelope(), text: told() },
    { type: 'observation', ...envelope(), emotion: 'joy', intensity: 1, confidence: 0.5, model_version: 'v1' },
    { type: 'journey', ...envelope(), name: 'chat_opened' },
    { type: 'platform', ...envelope(), platform: 'whatsapp', event: 'connected' },
    { type: 'service_cost', ...envelope(), service: 'compute', nano_usd: 7 },
    { type: 'consent', ...envelope(), state: 'granted', purpose: 'analytics' },
    { type: 'crisis', ...envelope(), event: 'flagged', severity: 2 },
    { type: 'incident', ...envelope(), severity: 'p2', code: 'slow' },
    { type: 'notice', ...envelope(), kind: 'safety_policy', code: 'v3' },
  ];
}

/** Events that are wrong, each with a secret as what is wrong, or beside it. */
function badEvents() {
  const turn = (/** @type {Record<string, unknown>} */ over) => ({ type: 'turn', id: any(), ts: ts(), user_id: make.id(), provider: 'openai', model: 'gpt-4o', usage: { input_tokens: 1, output_tokens: 1 }, ...over });
  // What a label must not look like.
  const inLabel = () => random.pick([make.email, make.ipv4, make.ipv6, make.phone, make.card, make.apiKey, make.token, make.uuid])();
  return [
    { type: make.id(), ts: ts() }, { type: make.email(), ts: ts(), user_id: make.id() }, { [make.id()]: 1 }, { type: 'turn', ts: make.token() },
    turn({ provider: inLabel() }), turn({ model: inLabel() }), turn({ feature: inLabel() }), turn({ error_code: inLabel() }), turn({ plan: inLabel() }), turn({ status: make.name() }),
    turn({ country: make.name() }), turn({ user_id: { [make.id()]: make.email() } }), turn({ conversation_id: [make.id()] }), turn({ id: { a: make.token() } }), turn({ guest: make.name() }),
    turn({ [make.email()]: 1 }), turn({ [make.id()]: make.name() }), turn({ [`note ${make.name()}`]: 'x' }), turn({ [`${make.card()}`]: 1 }), turn({ message: `${make.name()} ${make.email()}` }),
    turn({ usage: { input_tokens: 1, output_tokens: 1, [make.token()]: 2 } }), turn({ usage: make.email() }), turn({ usage: { input_tokens: make.phone(), output_tokens: 1 } }),
    turn({ usage: undefined, provider_usage: { input_tokens: make.email(), output_tokens: 1 } }), turn({ usage: undefined, provider_usage: make.name() }),
    turn({ usage: undefined, provider_usage: { prompt_tokens: 1, completion_tokens: 1, prompt_tokens_details: { cached_tokens: make.token() } } }),
    turn({ turn_index: make.phone() }), turn({ latency_ms: make.id() }), turn({ ts: `2126-01-01T00:00:00Z`, user_id: make.email() }), turn({ ts: '1999-01-01T00:00:00Z', user_id: make.id() }),
    { type: 'feedback', ts: ts(), rating: make.name(), text: make.email() }, { type: 'feedback', ts: ts(), rating: 'up', text: { a: make.email() } },
    { type: 'feedback', ts: ts(), rating: 'up', wishes: [inLabel(), inLabel()] }, { type: 'feedback', ts: ts(), rating: 'up', intent: inLabel() }, { type: 'feedback', ts: ts(), rating: 'up', wishes: make.name() },
    { type: 'observation', ts: ts(), emotion: make.name(), intensity: 1, confidence: 1, model_version: 'v1' },
    { type: 'observation', ts: ts(), emotion: 'joy', intensity: 1, confidence: 1, model_version: inLabel(), wish: { tag: inLabel(), kano: make.name() } },
    { type: 'observation', ts: ts(), emotion: 'joy', intensity: 1, confidence: 1, model_version: 'v1', wish: { tag: inLabel(), kano: 'performance' } },
    { type: 'observation', ts: ts(), emotion: 'joy', intensity: 1, confidence: 1, model_version: 'v1', frustration: [make.name()] },
    { type: 'error', ts: ts(), component: inLabel(), code: 'x', message: make.email() }, { type: 'error', ts: ts(), component: 'x', code: inLabel(), message: make.name() },
    { type: 'vital', ts: ts(), name: make.id(), value: 1, url: `/${make.id()}` }, { type: 'vital', ts: ts(), name: 'lcp', value: make.phone(), url: '/' },
    { type: 'journey', ts: ts(), name: inLabel() }, { type: 'journey', ts: ts(), name: 'step', funnel: inLabel(), step: inLabel(), intent: inLabel() },
    { type: 'platform', ts: ts(), platform: inLabel(), event: 'connected' }, { type: 'platform', ts: ts(), platform: 'x', event: make.name() }, { type: 'platform', ts: ts(), platform: 'x', event: 'expired', reason: inLabel() },
    { type: 'service_cost', ts: ts(), service: make.name(), nano_usd: 1 }, { type: 'service_cost', ts: ts(), service: 'cdn', provider: inLabel(), nano_usd: 1 }, { type: 'service_cost', ts: ts(), service: 'cdn', nano_usd: make.card() },
    { type: 'consent', ts: ts(), state: make.name(), purpose: 'analytics' }, { type: 'consent', ts: ts(), state: 'granted', purpose: inLabel() },
    { type: 'crisis', ts: ts(), event: make.name(), severity: 1 }, { type: 'crisis', ts: ts(), event: 'flagged', severity: make.phone() }, { type: 'crisis', ts: ts(), event: 'flagged', severity: 1, detector_version: inLabel() },
    { type: 'incident', ts: ts(), severity: 'p1', code: inLabel() }, { type: 'incident', ts: ts(), severity: make.name(), code: 'x' }, { type: 'notice', ts: ts(), kind: make.name(), code: 'x' }, { type: 'notice', ts: ts(), kind: 'safety_policy', code: inLabel() },
    { type: 'moment', ts: ts(), text: [make.name()] }, { type: 'moment', ts: ts(), text: make.name(), author: make.name() }, { type: 'request', ts: ts(), route: `/${make.id()}` },
    make.email(), [make.id()], null,
  ];
}

/** @param {import('../lib/sage.mjs').Sage} sage */
async function plantInIntake(sage) {
  let counts = { stored: 0, dead: 0 };
  const send = async (/** @type {string | Buffer} */ body, /** @type {Record<string, string>} */ headers = {}) => {
    const { status, json } = await post(sage, body, headers);
    if (status === 200) counts = { stored: counts.stored + json.stored, dead: counts.dead + json.dead_lettered };
    return status;
  };
  for (const [good, bad] of [[goodEvents(), badEvents()], [goodEvents(), badEvents()]]) {
    for (const event of [...good, ...bad]) await send(JSON.stringify(event));
    assert.equal(await send(JSON.stringify([...goodEvents(), ...badEvents()])), 200);
  }
  const lines = [...goodEvents(), ...badEvents()].map((event) => JSON.stringify(event));
  const garbage = [`{"type":"turn","user_id":"${make.id()}"`, `${make.email()} ${make.name()}`, `{"type":"turn",${make.token()}}`, `"${make.jwt()}"`, `{"type":"feedback","ts":"${ts()}","rating":"up","text":"${make.email()}"} ${make.card()}`,
    `{"type":"turn","type":"turn","id":"${make.id()}"}`, `{"id":"${make.id()}","id":"${make.id()}","type":"turn","ts":"${ts()}"}`, `{"type":"turn","ts":"${ts()}","user_id":"${make.id()}\\ud800"}`];
  assert.equal(await send([...lines, ...garbage].join('\n'), { 'content-type': 'application/x-ndjson' }), 200);
  assert.equal(await send(gzipSync([...goodEvents(), ...badEvents()].map((event) => JSON.stringify(event)).join('\n')), { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' }), 200);
  // Whole bodies that cannot be read.
  for (const body of [make.email(), `[${make.name()}]`, `{"a":"${make.token()}`, `[{"type":"turn","user_id":"${make.id()}"},]`, Buffer.concat([Buffer.from(make.email()), Buffer.from([255])]), '']) {
    assert.equal(await send(body), 400);
  }
  assert.equal(await send(make.email(), { 'content-encoding': 'gzip' }), 400);
  assert.equal(await send(make.email(), { 'content-encoding': make.token() }), 415);
  assert.equal(await send(make.email(), { 'content-type': `application/${make.token()}` }), 415);
  assert.equal(await send(`${make.email()}${' '.repeat(2 << 20)}`), 413);
  // Pages.
  const page = { origin: PAGE, authorization: `Bearer ${PUBLIC_KEY}` };
  await send(JSON.stringify([...goodEvents(), ...badEvents()]), page);
  await send(JSON.stringify(goodEvents()), { ...page, dnt: '1', 'cf-connecting-ip': make.ipv4(), cookie: `session=${make.token()}`, referer: `${PAGE}/${make.id()}`, 'user-agent': make.name() });
  // Keys and origins that are wrong.
  for (const headers of [{ authorization: `Bearer ${make.token()}` }, { authorization: `Basic ${make.token()}` }, { authorization: make.email() }, { ...page, origin: `https://${make.token()}.example.com` }]) {
    assert.ok([401, 403].includes(await send(JSON.stringify(goodEvents()), headers)));
  }
  await own(sage, { method: 'POST', path: `/sage/v1/events?key=${make.token()}&user=${encodeURIComponent(make.email())}`, body: '{}' });
  await own(sage, { method: 'POST', path: `/sage/v1/events?key=${PUBLIC_KEY}&x=${make.token()}`, headers: { origin: PAGE }, body: JSON.stringify(goodEvents()) });
  await own(sage, { method: 'OPTIONS', path: `/sage/v1/events?${make.token()}`, headers: { origin: `https://${make.token()}.example.com`, 'access-control-request-headers': make.token() } });
  return counts;
}

/** @param {import('../lib/sage.mjs').Sage} sage */
async function plantInQuestions(sage) {
  const admin = { authorization: `Bearer ${ADMIN_TOKEN}` };
  for (const query of [`from=${make.token()}`, `to=${encodeURIComponent(make.email())}`, `tz=${make.id()}`, `panel=${make.token()}`, `format=${make.token()}`, `${make.token()}=1`,
    `user=${encodeURIComponent(make.email())}`, `panel=cost&panel=${encodeURIComponent(make.name())}`, `from=${make.phone()}&to=${make.card()}`]) {
    assert.equal((await own(sage, { path: `/sage?${query}`, headers: admin })).status, 400, query);
  }
  for (const headers of /** @type {Record<string, string>[]} */ ([{ authorization: `Bearer ${make.token()}` }, { authorization: make.email() }, { 'cf-access-jwt-assertion': make.jwt() }, { cookie: `CF_Authorization=${make.jwt()}` }])) {
    assert.equal((await own(sage, { path: `/sage?q=${make.token()}`, headers: { ...headers, 'cf-connecting-ip': make.ipv6() } })).status, 401);
  }
  for (const path of [`/sage/${make.token()}`, `/sage/v1/users/${encodeURIComponent(make.email())}`, `/sage/v1/${make.id()}`, `/safety/transparency/${make.token()}`, `/sage/healthz?${make.token()}`, `/safety/transparency?u=${make.id()}`,
    `/safety/transparency.json?u=${encodeURIComponent(make.email())}`, `/sage/healthz/${make.uuid()}`]) {
    await own(sage, { path, headers: { 'user-agent': make.name(), referer: `https://x.example.com/${make.token()}`, 'cf-connecting-ip': make.ipv4(), 'x-forwarded-for': make.ipv4(), cookie: make.token() } });
  }
  for (const query of ['', '?panel=cost&format=csv', '?panel=operations', '?from=2026-01-01&to=2026-12-31']) await own(sage, { path: `/sage${query}`, headers: admin });
}

/** @param {import('../lib/sage.mjs').Sage} sage */
async function plantInTraffic(sage) {
  const browser = 'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0';
  const paths = () => [`/reset/${make.token()}`, `/api/v2/users/${make.id()}/messages?mail=${encodeURIComponent(make.email())}`, `/u/${encodeURIComponent(make.email())}`, `/chat?token=${make.jwt()}&phone=${encodeURIComponent(make.phone())}`,
    `/files/${make.uuid()}.pdf`, `/card/${make.card()}`, `/call/${encodeURIComponent(make.phone())}`, `/name/${encodeURIComponent(make.name())}`, `/ip/${make.ipv4()}`, `/ip/${encodeURIComponent(make.ipv6())}`,
    `/static/${make.token()}.js`, `/k/${make.apiKey()}`, `/${make.id()}`, `//${make.token()}//x`, `/deep/a/b/c/d/e/f/g/${make.token()}`, `/matrix;user=${make.id()}/x`, `/colon:${make.id()}`, `/v1.${make.token()}`, `/users/${make.surname()}/posts`, `/u/${make.surname()}`, `/api/profile/${make.surname()}`, `/members/${make.surname()}.${make.surname()}/edit`];
  for (let round = 0; round < 2; round++) {
    for (const path of paths()) {
      await raw(sage.port, {
        path, method: random.pick(['GET', 'POST', 'PUT', 'DELETE', 'PATCH']), body: `{"mail":"${make.email()}"}`,
        headers: {
          'user-agent': random.pick([`${browser} ${make.id()}`, `${make.name()}/1.0`, `MyApp/3.2 (${make.email()}; ${make.uuid()})`, `Mozilla/5.0 (Linux; Android 15; ${make.token()}) Chrome/141.0.0.0 Mobile Safari/537.36`]),
          referer: random.pick([`https://${make.token().toLowerCase()}.mail.example.org/inbox/${make.id()}?t=${make.token()}`, `https://${make.id()}:${make.token()}@www.example.org/`, `http://${make.ipv4()}/x`, `android-app://${make.token()}`, make.email()]),
          'cf-connecting-ip': random.pick([make.ipv4, make.ipv6])(), 'x-forwarded-for': `${make.ipv4()}, ${make.ipv6()}`, 'x-real-ip': make.ipv4(), forwarded: `for=${make.ipv4()}`, 'true-client-ip': make.ipv6(),
          cookie: `session=${make.token()}; user=${encodeURIComponent(make.email())}`, authorization: `Bearer ${make.jwt()}`, 'x-user-name': make.name(), 'sage-user': make.id(), origin: `https://${make.token().toLowerCase()}.example.com`,
          ...(random.chance(0.2) ? { dnt: '1' } : {}), 'cf-ipcountry': random.pick(['NP', make.name()]), 'accept-language': make.token(), 'sec-ch-ua': `"${make.name()}";v="1"`,
        },
      });
    }
  }
}

test('no planted secret is written, logged or answered', { timeout: 180_000 }, async (t) => {
  const persist = await mkdtemp(join(tmpdir(), 'sage-secrets-'));
  const app = await startOrigin((request, response) => { request.resume(); response.writeHead(200, { 'set-cookie': `s=${make.token()}`, 'x-user': make.id() }).end(make.email()); });
  const settings = { capture: { static_assets: true }, browser: { allowed_origins: [PAGE] } };
  const sage = await startSage({ persist, origin: app.url, settings, shards: 2 });
  try {
    const counts = await plantInIntake(sage);
    await plantInQuestions(sage);
    await plantInTraffic(sage);
    const today = () => sage.sage('panel=operations,usage,cost');
    const requestsSeen = async () => (await today()).panels.operations.requests.total.value;
    await until('the requests that passed', async () => (await requestsSeen()) === REQUESTS, { ms: 15_000 });
    // A dead app has a page and a log line of its own.
    await sage.restart({ origin: `http://127.0.0.1:${await freePort()}` });
    for (let n = 0; n < 4; n++) {
      const { status, whole } = await raw(sage.port, { path: `/reset/${make.token()}?u=${encodeURIComponent(make.email())}`, headers: { referer: `https://x.example.org/${make.id()}`, cookie: make.token(), 'cf-connecting-ip': make.ipv4() } });
      assert.equal(status, 502);
      replies.push(whole);
    }
    await until('the requests that did not pass', async () => (await requestsSeen()) === REQUESTS + 4, { ms: 15_000 });
    // Everything goes to the lake: NDJSON within a minute, then, by the nightly job, Parquet.
    const exported = async () => (await today()).panels.operations.lake.bronze_lag.value === 0;
    await until('Bronze', exported, { ms: 120_000, everyMs: 500 });
    const parts = (await sage.bucket('BRONZE').list()).filter(({ key }) => key.endsWith('.ndjson.gz')).length;
    assert.ok(parts > 0, 'NDJSON parts stand');
    const withParts = await scanFolder(persist, scanner([...planted, INGEST_KEY, PUBLIC_KEY, ADMIN_TOKEN, SALT]));
    await sage.nightly();
    const parquet = await until('Parquet alone', async () => {
      const keys = (await sage.bucket('BRONZE').list()).map(({ key }) => key);
      return !keys.some((key) => key.endsWith('.ndjson.gz')) && keys.filter((key) => key.endsWith('.parquet')).length;
    }, { ms: 30_000 });
    const { panels } = await today();
    assert.ok(counts.stored >= 100 && counts.dead >= 100, `${counts.stored} stored, ${counts.dead} dead-lettered`);
    await sage.stop();

    assert.ok(planted.size >= 300, `${planted.size} secrets`);
    const scan = scanner([...planted, INGEST_KEY, PUBLIC_KEY, ADMIN_TOKEN, SALT]);
    const { found, kinds } = await scanFolder(persist, scan);
    const inReplies = replies.flatMap((reply) => scan(reply, `a reply: ${reply.slice(0, 60)}`));
    const inLog = scan(sage.log(), 'standard output');
    const leaks = [...withParts.found, ...found, ...inReplies, ...inLog].map(({ secret, where, around }) => `${secret} in ${where}: ${JSON.stringify(around)}`);
    assert.deepEqual(leaks.slice(0, 20), [], `${leaks.length} leaks`);
    assert.ok(kinds.sqlite >= 4 && withParts.kinds.gzip > 0, JSON.stringify(kinds));
    assert.ok(kinds.parquet >= parquet && parquet > 0, JSON.stringify(kinds));
    t.diagnostic(`${planted.size} secrets; ${counts.stored} events stored, ${counts.dead} dead-lettered, ${REQUESTS + 4} requests, ${panels.usage.turns.value} turns`);
    t.diagnostic(`searched ${kinds.files} files of ${kinds.bytes} bytes (${kinds.sqlite} SQLite, ${withParts.kinds.gzip} gzip, ${kinds.parquet} Parquet), ${replies.length} replies, ${sage.log().length} bytes of log`);

    // The search can find: a secret of each sort, hidden in each way.
    const hidden = [...planted].slice(0, 40);
    const control = join(persist, 'control');
    await mkdir(control);
    const database = new DatabaseSync(join(control, 'control.sqlite'));
    database.exec('CREATE TABLE t(v BLOB)');
    const ways = [
      (/** @type {string} */ s) => s, (/** @type {string} */ s) => s.toUpperCase(), (/** @type {string} */ s) => encodeURIComponent(s), (/** @type {string} */ s) => Buffer.from(s).toString('hex'),
      (/** @type {string} */ s) => Buffer.from(`xy${s}z`).toString('base64'), (/** @type {string} */ s) => Buffer.from(`x${s}zz`).toString('base64url'), (/** @type {string} */ s) => Buffer.from(s).toString('base64'),
    ];
    for (const [n, secret] of hidden.entries()) {
      const way = ways[n % ways.length](secret);
      if (n % 3 === 0) await writeFile(join(control, `${n}.txt`), `before ${way} after`);
      else if (n % 3 === 1) await writeFile(join(control, `${n}.bin`), gzipSync(`before ${way} after`));
      else database.prepare('INSERT INTO t VALUES (?)').run(Buffer.from('#'.repeat(4_000) + way + '#'.repeat(9_000)));
    }
    database.close();
    const again = await scanFolder(control, scan);
    assert.deepEqual(hidden.filter((secret) => !again.found.some((leak) => leak.secret === secret)), [], 'every hidden secret is found');
  } finally {
    await sage.stop();
    await app.close();
    await rm(persist, { recursive: true, force: true });
  }
});

test('texts that are kept are kept without what is personal', { timeout: 120_000 }, async () => {
  const persist = await mkdtemp(join(tmpdir(), 'sage-texts-'));
  const sage = await startSage({ persist, settings: { text: { feedback: true, errors: true } } });
  try {
    planted.clear();
    replies.length = 0;
    const about = () => ({ ts: ts(), user_id: any() });
    const events = Array.from({ length: 40 }, () => [
      { type: 'feedback', ...about(), rating: 'down', text: told() }, { type: 'error', ...about(), component: 'chat', code: 'timeout', message: told() }, { type: 'moment', ...about(), text: told() },
      { type: 'error', ts: ts(), opted_out: true, component: 'chat', code: 'gone', message: `${make.name()} ${told()}` },
    ]).flat();
    const { json } = await post(sage, JSON.stringify(events));
    assert.equal(json.stored, events.length);
    const part = await until('Bronze', async () => (await sage.bucket('BRONZE').list()).find(({ key }) => key.endsWith('.ndjson.gz')), { ms: 90_000, everyMs: 500 });
    assert.ok(part);
    await sage.stop();
    const scan = scanner([...planted]);
    const { found, kinds } = await scanFolder(persist, scan);
    const leaks = [...found, ...replies.flatMap((reply) => scan(reply, 'a reply')), ...scan(sage.log(), 'the log')].map(({ where, around }) => `${where}: ${JSON.stringify(around)}`);
    assert.deepEqual(leaks.slice(0, 20), [], `${leaks.length} leaks`);
    assert.ok(kinds.gzip > 0);
    // What is kept is there.
    const kept = await scanFolder(persist, scanner(['mail [EMAIL] or call [PHONE], card [CARD]']));
    assert.ok(kept.found.length > 0, 'the redacted text is stored');
  } finally {
    await sage.stop();
    await rm(persist, { recursive: true, force: true });
  }
});
