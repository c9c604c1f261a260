// @ts-check
/** The pages' door: who may come in by it, with what, how much and how often; and the script that they load. */
import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { SCRIPT_BYTES_MAX, scripts } from '../../snippet/build.mjs';
import { INGEST_KEY, PUBLIC_KEY, startSage } from '../lib/sage.mjs';
import { bronze } from '../sdk/gateway_bronze.mjs';

const PAGE = 'https://chat.example.com';
const NOTE = /PAGES_LIMIT/;
let number = 0;
const now = () => new Date().toISOString();
const feedback = (over = {}) => ({ type: 'feedback', id: `pages-${++number}`, ts: now(), rating: 'up', ...over });

/** @type {import('../lib/sage.mjs').Sage} */
let sage;
before(async () => { sage = await startSage({ settings: { browser: { allowed_origins: [PAGE] } } }); });
after(() => sage?.stop());

/**
 * As a browser sends it: simple, with the key in the query. Unlike `fetch`, this can say anything in any header.
 * @param {unknown} body
 * @param {{ key?: string | null, headers?: Record<string, string>, query?: string, method?: string, at?: import('../lib/sage.mjs').Sage }} [how]
 * @returns {Promise<{ status: number, headers: import('node:http').IncomingHttpHeaders, json: any }>}
 */
function beacon(body, { key = PUBLIC_KEY, headers = { origin: PAGE }, query = '', method = 'POST', at = sage } = {}) {
  return new Promise((resolve, reject) => {
    const path = `/sage/v1/events?${key === null ? '' : `key=${key}`}${query}`;
    const request = httpRequest({ host: '127.0.0.1', port: at.port, path, method, headers: { 'content-type': 'text/plain;charset=UTF-8', ...headers } }, (reply) => {
      /** @type {Buffer[]} */
      const chunks = [];
      reply.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: reply.statusCode ?? 0, headers: reply.headers, json: text ? JSON.parse(text) : null });
      });
    });
    request.on('error', reject).end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  });
}

describe('who comes in', { timeout: 60_000 }, () => {
  test('pages of the own origin, by Origin or by Sec-Fetch-Site, and of allowed ones', async () => {
    for (const headers of /** @type {Record<string, string>[]} */ ([
      { origin: sage.url }, { origin: PAGE }, { origin: PAGE, 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-origin' }, { origin: 'null', 'sec-fetch-site': 'same-origin' },
    ])) {
      const reply = await beacon(feedback(), { headers });
      assert.deepEqual([reply.status, reply.json.stored], [200, 1], JSON.stringify(headers));
      assert.equal(reply.headers.vary, 'origin');
      assert.equal(reply.headers['access-control-allow-credentials'], undefined);
    }
  });

  test('no others, whatever else they claim', async () => {
    for (const headers of /** @type {Record<string, string>[]} */ ([
      {}, { origin: 'null' }, { origin: 'null', 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': 'none' },
      { origin: 'https://evil.example.com' }, { origin: 'https://evil.example.com', 'sec-fetch-site': 'same-origin' }, { origin: `${PAGE}.evil.com` }, { origin: `${PAGE}:8443` },
      { origin: PAGE.replace('https', 'http') }, { origin: 'https://evil.example.com', host: 'chat.example.com' }, { origin: 'https://evil.example.com', 'x-forwarded-host': 'evil.example.com' },
      { origin: `${PAGE}, https://evil.example.com` }, { referer: `${PAGE}/` },
    ])) {
      const reply = await beacon(feedback(), { headers });
      assert.deepEqual([reply.status, reply.json.code], [403, 'origin_not_allowed'], JSON.stringify(headers));
      assert.equal(reply.headers['access-control-allow-origin'], undefined);
      assert.equal(reply.headers.vary, 'origin');
    }
  });

  test('not without the public key, which opens nothing else', async () => {
    for (const key of [null, '', 'wrong', INGEST_KEY, `${PUBLIC_KEY}x`]) assert.equal((await beacon(feedback(), { key })).status, 401, String(key));
    for (const authorization of [PUBLIC_KEY, `Basic ${PUBLIC_KEY}`]) assert.equal((await beacon(feedback(), { key: null, headers: { origin: PAGE, authorization } })).status, 401);
    assert.equal((await beacon(feedback(), { key: null, headers: { origin: PAGE, 'x-sage-key': PUBLIC_KEY, cookie: `key=${PUBLIC_KEY}` } })).status, 401);
    for (const path of ['/sage', '/sage/v1/prices/reprice']) {
      const reply = await sage.request(path, { method: path === '/sage' ? 'GET' : 'POST', headers: { authorization: `Bearer ${PUBLIC_KEY}`, origin: PAGE } });
      assert.equal(reply.status, 401, path);
    }
    const closed = await startSage({ secrets: { SAGE_PUBLIC_KEY: undefined } });
    try {
      for (const key of [PUBLIC_KEY, '', 'undefined']) assert.equal((await beacon(feedback(), { key, headers: { origin: closed.url }, at: closed })).status, 401);
    } finally {
      await closed.stop();
    }
  });

  test('preflights say what they must, to those who may', async () => {
    const ask = { method: 'OPTIONS', key: null };
    const headers = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' };
    const allowed = await beacon('', { ...ask, headers: { origin: PAGE, ...headers } });
    assert.equal(allowed.status, 204);
    assert.equal(allowed.headers['access-control-allow-origin'], PAGE);
    assert.equal(allowed.headers['access-control-allow-methods'], 'POST');
    assert.equal(allowed.headers['access-control-allow-headers'], 'authorization, content-type');
    assert.equal(allowed.headers['access-control-max-age'], '86400');
    assert.equal(allowed.headers['access-control-allow-credentials'], undefined);
    for (const origin of ['https://evil.example.com', 'null']) {
      const refused = await beacon('', { ...ask, headers: { origin, ...headers } });
      assert.equal(refused.headers['access-control-allow-origin'], undefined);
      assert.equal(refused.headers.vary, 'origin');
    }
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const reply = await beacon('', { method });
      assert.deepEqual([reply.status, reply.headers.allow], [405, 'POST, OPTIONS']);
    }
  });
});

describe('what comes in', { timeout: 90_000 }, () => {
  test('nothing that costs, consents or decides; nothing of a body that is no batch', async () => {
    const forged = [
      { type: 'turn', ts: now(), user_id: 'victim', provider: 'openai', model: 'gpt-4o', usage: { input_tokens: 1e9, output_tokens: 1e9 } },
      { type: 'service_cost', ts: now(), service: 'compute', nano_usd: 1e15 }, { type: 'consent', ts: now(), user_id: 'victim', state: 'withdrawn', purpose: 'analytics' },
      { type: 'crisis', ts: now(), event: 'flagged', severity: 4 }, { type: 'incident', ts: now(), severity: 'p0', code: 'down' }, { type: 'notice', ts: now(), kind: 'safety_policy', code: 'v9' },
      { type: 'moment', ts: now(), text: 'hello' }, { type: 'platform', ts: now(), platform: 'whatsapp', event: 'connected' }, { type: 'request', ts: now() }, { type: 'repriced', ts: now() },
      { type: 'observation', ts: now(), emotion: 'joy', intensity: 1, confidence: 0.5, model_version: 'v1' },
      { type: 'feedback', ts: now(), rating: 'up', nano_usd: 5 }, { type: 'error', ts: now(), component: 'a', code: 'b', source: 'backend' }, { type: 'vital', ts: now(), name: 'lcp', value: -1, url: '/' },
      { type: 'vital', ts: now(), name: 'lcp', value: 1e9, url: '/' }, { type: 'journey', ts: now(), name: 'Priya Raman' },
    ];
    const reply = await beacon([...forged, feedback()]);
    assert.deepEqual([reply.status, reply.json.received, reply.json.stored, reply.json.dead_lettered], [200, forged.length + 1, 1, forged.length]);
    assert.deepEqual(reply.json.errors.slice(0, 8).map((/** @type {any} */ error) => error.code), Array(8).fill('type_not_allowed'));
    const { panels } = await sage.sage('panel=cost,usage,crisis');
    assert.deepEqual([panels.cost.spend.value, panels.usage.turns.value, panels.usage.users.value], [0, 0, 0]);
    for (const [body, status] of /** @type {const} */ ([['', 400], ['hello', 400], ['[{]', 400], ['key=1&type=turn', 400]])) assert.equal((await beacon(body)).status, status, body);
    for (const type of ['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/html', 'application/xml']) {
      assert.equal((await beacon(feedback(), { headers: { origin: PAGE, 'content-type': type } })).status, 415, type);
    }
  });

  test('no facts of a person but their visit and conversation; a person only where the operator allows it', async () => {
    const facts = { user_id: 'victim', session_id: 'visit', conversation_id: 'talk', country: 'NP', utc_offset_minutes: 345, plan: 'premium', guest: false, opted_out: false };
    for (const names of [false, true]) {
      const own = await startSage({ settings: { browser: { user_ids: names } } });
      try {
        const headers = { origin: own.url };
        assert.equal((await beacon([feedback(facts), feedback({ ...facts, opted_out: true })], { at: own, headers })).json.stored, 1);
        assert.deepEqual((await beacon([feedback(facts), { type: 'error', ts: now(), component: 'page', code: 'TypeError', ...facts }], { at: own, headers: { ...headers, 'sec-gpc': '1' } })).json.dropped, { opted_out: 1 });
        const events = (await bronze(own)).sort((a, b) => Object.keys(a.body)[0].localeCompare(Object.keys(b.body)[0]));
        const [error, given] = events;
        assert.equal(events.length, 2);
        assert.deepEqual([Boolean(given.user), Boolean(given.session), Boolean(given.conversation), given.source], [names, true, true, 'browser']);
        assert.equal(given.cohort?.plan, undefined);
        assert.equal(given.cohort?.guest, undefined);
        assert.deepEqual([error.user, error.session, error.conversation, error.cohort], [undefined, undefined, undefined, undefined]);
      } finally {
        await own.stop();
      }
    }
  });

  test('nothing from another day; a clock that is wrong is put right where the page tells it', async () => {
    const at = (/** @type {number} */ ms) => new Date(Date.now() + ms).toISOString();
    const DAY = 86_400_000;
    const sent = async (/** @type {string} */ ts, query = '') => {
      const { json } = await beacon(feedback({ ts }), { query });
      return json.errors[0]?.code ?? 'stored';
    };
    assert.equal(await sent(at(-DAY + 60_000)), 'stored');
    assert.equal(await sent(at(-DAY - 60_000)), 'ts_too_old');
    assert.equal(await sent(at(10 * 60_000)), 'ts_in_future');
    assert.equal(await sent(at(300 * DAY - 5_000), `&sent=${Date.now() + 300 * DAY}`), 'stored');
    assert.equal(await sent(at(-300 * DAY - 5_000), `&sent=${Date.now() - 300 * DAY}`), 'stored');
    assert.equal(await sent(at(-2 * DAY), `&sent=${Date.now()}`), 'ts_too_old');
    for (const wrong of ['x', '', '9e99', String(Number.MAX_SAFE_INTEGER * 10), '-9223372036854775808', '9223372036854775807']) {
      assert.ok(['stored', 'ts_too_old', 'ts_in_future'].includes(await sent(at(0), `&sent=${wrong}`)), wrong);
    }
  });

  test('at most 64 KiB and 100 events', async () => {
    const spaces = (/** @type {number} */ bytes) => JSON.stringify(feedback()).padEnd(bytes);
    const many = (/** @type {number} */ count) => Array.from({ length: count }, () => feedback());
    assert.equal((await beacon(spaces(64 << 10))).status, 200);
    assert.equal((await beacon(many(100))).json.stored, 100);
    const gzip = { origin: PAGE, 'content-encoding': 'gzip' };
    for (const [body, headers] of /** @type {[unknown, Record<string, string>][]} */ ([
      [spaces((64 << 10) + 1), { origin: PAGE }], [many(101), { origin: PAGE }], [gzipSync(spaces(1 << 20)), gzip], [gzipSync(JSON.stringify(many(101))), gzip],
    ])) {
      const reply = await beacon(body, { headers });
      assert.deepEqual([reply.status, reply.json.code], [413, 'too_large']);
      assert.equal(reply.headers['access-control-allow-origin'], PAGE);
    }
    const backend = await sage.send(many(101));
    assert.equal(backend.json.stored, 101, 'a backend may send more');
  });
});

describe('how often', { timeout: 60_000 }, () => {
  test('a network that comes too often is told to wait; others and the backend are not', async () => {
    const limited = await startSage({ pagesLimit: { limit: 5, period: 60 } });
    try {
      const from = (/** @type {string} */ address) => beacon(feedback(), { at: limited, headers: { origin: limited.url, 'cf-connecting-ip': address } });
      const statuses = [];
      for (let n = 0; n < 8; n++) statuses.push((await from(`203.0.113.${n}`)).status);
      assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429, 429, 429]);
      const refused = await from('203.0.113.200');
      assert.equal(refused.json.code, 'rate_limited');
      assert.equal(refused.headers['retry-after'], '30');
      assert.equal(refused.headers['access-control-expose-headers'], 'retry-after');
      assert.equal((await from('203.0.114.1')).status, 200);
      assert.equal((await from('2001:db8:7::1')).status, 200);
      const { json } = await limited.send(feedback(), { headers: { 'cf-connecting-ip': '203.0.113.9' } });
      assert.equal(json.stored, 1);
      assert.deepEqual((await limited.request('/sage/healthz')).json, { status: 'ok' });
    } finally {
      await limited.stop();
    }
  });

  test('without the binding there is no limit, and health says so', async () => {
    const open = await startSage({ pagesLimit: null });
    try {
      assert.equal((await beacon(feedback(), { at: open, headers: { origin: open.url } })).status, 200);
      const { json } = await open.request('/sage/healthz');
      assert.equal(json.status, 'ok');
      assert.match(json.notes[0], NOTE);
      await open.restart({ secrets: { SAGE_PUBLIC_KEY: undefined } });
      assert.deepEqual((await open.request('/sage/healthz')).json, { status: 'ok' }, 'no page may send, so none is limited');
    } finally {
      await open.stop();
    }
  });
});

describe('the script', { timeout: 60_000 }, () => {
  test('is small, cached, and as built', async () => {
    const built = await scripts();
    assert.ok(gzipSync(built['sage.js'].text, { level: 9 }).length <= SCRIPT_BYTES_MAX && SCRIPT_BYTES_MAX <= 6 << 10);
    assert.doesNotMatch(built['sage.js'].text, /\beval\(|new Function|innerHTML|document\.write|document\.cookie|localStorage|indexedDB|userAgent|canvas/);
    for (const [name, { text, etag }] of Object.entries(built)) {
      const reply = await sage.request(`/sage/${name}?v=1`);
      assert.equal(reply.status, 200);
      assert.equal(reply.text, text);
      assert.match(reply.headers.get('content-type') ?? '', /^text\/javascript/);
      assert.equal(reply.headers.get('etag'), etag);
      assert.match(reply.headers.get('cache-control') ?? '', /public, max-age=\d+/);
      assert.equal(reply.headers.get('x-content-type-options'), 'nosniff');
      assert.equal(reply.headers.get('access-control-allow-origin'), '*');
      assert.equal(reply.headers.get('cross-origin-resource-policy'), 'cross-origin');
      assert.equal(reply.headers.get('set-cookie'), null);
      for (const known of [etag, `W/${etag}`, `"x", ${etag}`]) {
        const again = await sage.request(`/sage/${name}`, { headers: { 'if-none-match': known } });
        assert.deepEqual([again.status, again.text, again.headers.get('etag')], [304, '', etag]);
      }
      const head = await sage.request(`/sage/${name}`, { method: 'HEAD' });
      assert.deepEqual([head.status, head.text], [200, '']);
      const post = await sage.request(`/sage/${name}`, { method: 'POST' });
      assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD']);
    }
    assert.equal((await sage.request('/sage/sage.ts')).status, 404);
    assert.equal((await sage.request('/sage/constructor')).status, 404);
  });
});
