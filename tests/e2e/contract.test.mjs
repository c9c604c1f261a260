// @ts-check
/** The HTTP contract of Sage's own routes: intake, numbers, health, the public page. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { ADMIN_TOKEN, INGEST_KEY, PUBLIC_KEY, python, startOrigin, startSage, until } from '../lib/sage.mjs';

const PAGE = 'https://chat.example.com';
let number = 0;

/** @param {Record<string, unknown>} [over] */
function turn(over = {}) {
  number++;
  return {
    type: 'turn', id: `contract-${number}`, ts: new Date(Date.now() - 1_000).toISOString(), user_id: `person-${number % 7}`, conversation_id: `talk-${number % 9}`,
    provider: 'anthropic', model: 'claude-sonnet-4-5', feature: 'chat', status: 'ok', usage: { input_tokens: 1200, output_tokens: 340 }, ...over,
  };
}

const feedback = (over = {}) => ({ type: 'feedback', id: `contract-${++number}`, ts: new Date().toISOString(), user_id: 'person-1', rating: 'up', ...over });

/**
 * The reply is a problem document of this status and code.
 * @param {import('../lib/sage.mjs').Reply} reply
 * @param {number} status
 * @param {string} code
 * @param {string} [word] In the detail.
 */
function problem(reply, status, code, word) {
  assert.equal(reply.status, status, reply.text);
  assert.match(reply.headers.get('content-type') ?? '', /^application\/problem\+json/);
  assert.equal(reply.json.status, status);
  assert.equal(reply.json.code, code);
  assert.ok(reply.json.title && reply.json.detail, 'a title and a remedy');
  if (word) assert.match(reply.json.detail, new RegExp(word));
}

/** @param {import('../lib/sage.mjs').Reply} reply @param {Record<string, unknown>} counts */
function accepted(reply, counts) {
  assert.equal(reply.status, 200, reply.text);
  const { received, stored, duplicate, dead_lettered: dead, dropped } = reply.json;
  const sumDropped = Object.values(dropped).reduce((sum, count) => sum + Number(count), 0);
  assert.equal(received, stored + duplicate + dead + sumDropped, reply.text);
  for (const [name, count] of Object.entries(counts)) assert.deepEqual(reply.json[name], count, `${name} in ${reply.text}`);
}

describe('intake', { timeout: 120_000 }, () => {
  /** @type {import('../lib/sage.mjs').Sage} */
  let sage;
  before(async () => { sage = await startSage({ settings: { browser: { allowed_origins: [PAGE] } } }); });
  after(() => sage?.stop());

  test('one event, an array, lines, gzip; the same again is a duplicate', async () => {
    const one = turn();
    accepted(await sage.send(one), { received: 1, stored: 1, duplicate: 0, errors: [] });
    accepted(await sage.send(one), { received: 1, stored: 0, duplicate: 1 });
    const three = [turn(), turn(), turn()];
    accepted(await sage.send(three), { received: 3, stored: 3 });
    accepted(await sage.send([...three, turn()], { as: 'ndjson' }), { received: 4, stored: 1, duplicate: 3 });
    accepted(await sage.send([turn(), turn()], { gzip: true }), { received: 2, stored: 2 });
    accepted(await sage.send([turn(), turn()], { gzip: true, as: 'ndjson' }), { received: 2, stored: 2 });
    const twice = turn();
    accepted(await sage.send([twice, twice]), { received: 2, stored: 1, duplicate: 1 });
    accepted(await sage.send([]), { received: 0, stored: 0 });
    const lines = `${JSON.stringify(turn())}\n${JSON.stringify(turn())}\n`;
    accepted(await sage.request('/sage/v1/events', { method: 'POST', body: lines, headers: { authorization: `Bearer ${INGEST_KEY}`, 'content-type': 'application/json' } }), { stored: 2 });
  });

  test('good events of a bad batch are stored, bad ones named by position, code and field', async () => {
    const batch = [
      turn(), turn({ colour: 'red' }), { type: 'turm', ts: new Date().toISOString() }, turn({ ts: '2126-01-01T00:00:00Z' }), turn({ ts: '2001-01-01T00:00:00Z' }),
      turn({ provider: undefined }), turn({ usage: { input_tokens: 1, output_tokens: 1, cache_read_tokens: 5 } }), 7, turn({ usage: { input_tokens: 1, output_tokens: 1 }, provider_usage: {} }),
      turn({ status: 'fine' }), turn(),
    ];
    const reply = await sage.send(batch);
    accepted(reply, { received: 11, stored: 2, duplicate: 0, dead_lettered: 9 });
    const errors = reply.json.errors.map((/** @type {any} */ { index, code }) => [index, code]);
    assert.deepEqual(errors, [[1, 'unknown_field'], [2, 'unknown_type'], [3, 'ts_in_future'], [4, 'ts_too_old'], [5, 'missing_field'], [6, 'invalid_value'],
      [7, 'not_an_object'], [8, 'invalid_value'], [9, 'invalid_value']]);
    assert.match(reply.json.errors[0].detail, /colour/);
    assert.match(reply.json.errors[4].detail, /provider/);
    assert.match(reply.json.errors[5].detail, /cache_read_tokens/);
    accepted(await sage.send(batch), { received: 11, stored: 0, duplicate: 11 });
    const broken = await sage.send([JSON.stringify(turn()), '{"type":"turn",', JSON.stringify(turn())], { as: 'ndjson' });
    accepted(broken, { received: 3, stored: 2, dead_lettered: 1 });
    assert.deepEqual([broken.json.errors[0].index, broken.json.errors[0].code], [1, 'not_json']);
  });

  test('every kind of event is taken', async () => {
    const ts = new Date().toISOString();
    const kinds = [
      turn(), feedback({ text: 'thank you', wishes: ['dark-mode'] }), { type: 'observation', ts, emotion: 'joy', intensity: 2, confidence: 0.8, model_version: 'v1' },
      { type: 'error', ts, component: 'chat', code: 'timeout', message: 'it broke' }, { type: 'vital', ts, name: 'lcp', value: 1800.5, url: '/chat' },
      { type: 'journey', ts, name: 'chat_opened' }, { type: 'platform', ts, platform: 'whatsapp', event: 'connected' },
      { type: 'service_cost', ts, service: 'speech_to_text', nano_usd: 5 }, { type: 'consent', ts, user_id: 'u', state: 'granted', purpose: 'analytics' },
      { type: 'crisis', ts, event: 'flagged', severity: 3 }, { type: 'incident', ts, severity: 'p1', code: 'outage-1' },
      { type: 'notice', ts, kind: 'safety_policy', code: 'v2' }, { type: 'moment', ts, text: 'a good line' },
    ];
    accepted(await sage.send(kinds), { received: kinds.length, stored: kinds.length, errors: [] });
  });

  test('limits: 1 MiB as sent, 8 MiB inflated, 10,000 events; at the limit is within', async () => {
    const post = (/** @type {BodyInit} */ body, /** @type {Record<string, string>} */ headers = {}) =>
      sage.request('/sage/v1/events', { method: 'POST', body, headers: { authorization: `Bearer ${INGEST_KEY}`, 'content-type': 'application/json', ...headers } });
    const padded = (/** @type {number} */ bytes) => { const text = JSON.stringify(turn()); return text + ' '.repeat(bytes - text.length); };
    accepted(await post(padded(1 << 20)), { stored: 1 });
    problem(await post(padded((1 << 20) + 1)), 413, 'too_large', '1 MiB');
    const chunked = new ReadableStream({
      start(controller) {
        for (let sent = 0; sent < 3 << 20; sent += 1 << 16) controller.enqueue(new Uint8Array(1 << 16).fill(32));
        controller.close();
      },
    });
    problem(await sage.request('/sage/v1/events', /** @type {any} */ ({ method: 'POST', body: chunked, duplex: 'half', headers: { authorization: `Bearer ${INGEST_KEY}` } })), 413, 'too_large');
    accepted(await post(gzipSync(padded(8 << 20)), { 'content-encoding': 'gzip' }), { stored: 1 });
    problem(await post(gzipSync(padded((8 << 20) + 1)), { 'content-encoding': 'gzip' }), 413, 'too_large', '8 MiB');
    problem(await post(gzipSync('['.padEnd(64 << 20)), { 'content-encoding': 'gzip' }), 413, 'too_large');
    const ts = new Date().toISOString();
    const many = Array.from({ length: 10_001 }, (_, n) => ({ type: 'journey', id: `many-${n}`, ts, name: 'step' }));
    problem(await sage.send(many, { gzip: true }), 413, 'too_large', '10000');
    accepted(await sage.send(many.slice(1), { gzip: true }), { received: 10_000, stored: 10_000 });
    accepted(await sage.send(many.slice(1), { gzip: true, as: 'ndjson' }), { received: 10_000, stored: 0, duplicate: 10_000 });
    const large = await sage.send([feedback({ text: 'x'.repeat(70_000) }), feedback()]);
    accepted(large, { received: 2, stored: 1, dead_lettered: 1 });
    assert.equal(large.json.errors[0].code, 'too_large');
  });

  test('what cannot be read has its status', async () => {
    const post = (/** @type {BodyInit} */ body, /** @type {Record<string, string>} */ headers = {}) =>
      sage.request('/sage/v1/events', { method: 'POST', body, headers: { authorization: `Bearer ${INGEST_KEY}`, 'content-type': 'application/json', ...headers } });
    for (const body of ['', 'hello', '[{]', '[1,]', new Uint8Array([255, 254])]) problem(await post(body), 400, 'not_parseable');
    problem(await post('not gzip', { 'content-encoding': 'gzip' }), 400, 'not_parseable', 'gzip');
    problem(await post(gzipSync('{}').subarray(0, 12), { 'content-encoding': 'gzip' }), 400, 'not_parseable');
    problem(await post('{}', { 'content-type': 'application/xml' }), 415, 'unsupported_media_type');
    problem(await post('{}', { 'content-encoding': 'br' }), 415, 'unsupported_content_encoding');
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const reply = await sage.request('/sage/v1/events', { method });
      problem(reply, 405, 'method_not_allowed');
      assert.match(reply.headers.get('allow') ?? '', /POST/);
    }
    problem(await sage.request('/sage/v1/nothing'), 404, 'not_found');
    problem(await sage.request('/safety/transparency/x'), 404, 'not_found');
  });

  test('only the ingest key opens the intake', async () => {
    const unauthorized = await sage.send(turn(), { key: null });
    problem(unauthorized, 401, 'unauthorized');
    assert.match(unauthorized.headers.get('www-authenticate') ?? '', /^Bearer/);
    for (const key of ['wrong', INGEST_KEY.slice(0, -1), `${INGEST_KEY}x`, ADMIN_TOKEN, '']) problem(await sage.send(turn(), { key }), 401, 'unauthorized');
    problem(await sage.send(turn(), { key: null, headers: { authorization: `Basic ${INGEST_KEY}` } }), 401, 'unauthorized');
    problem(await sage.send(turn(), { key: null, path: `/sage/v1/events?key=${INGEST_KEY}` }), 401, 'unauthorized');
  });

  test('pages send with the public key, from allowed origins, some kinds only', async () => {
    /** @param {string | undefined} origin @returns {{ key: string, headers: Record<string, string> }} */
    const from = (origin) => ({ key: PUBLIC_KEY, headers: origin ? { origin } : {} });
    const reply = await sage.send([feedback(), turn()], from(PAGE));
    accepted(reply, { received: 2, stored: 1, dead_lettered: 1 });
    assert.deepEqual([reply.json.errors[0].index, reply.json.errors[0].code], [1, 'type_not_allowed']);
    assert.equal(reply.headers.get('access-control-allow-origin'), PAGE);
    assert.match(reply.headers.get('vary') ?? '', /origin/i);
    const beacon = await sage.request(`/sage/v1/events?key=${PUBLIC_KEY}`, { method: 'POST', body: JSON.stringify(feedback()), headers: { origin: PAGE, 'content-type': 'text/plain' } });
    accepted(beacon, { stored: 1 });
    for (const origin of ['https://evil.example.com', `${PAGE}.evil.com`, 'null', undefined]) {
      const refused = await sage.send(feedback(), from(origin));
      problem(refused, 403, 'origin_not_allowed');
      assert.equal(refused.headers.get('access-control-allow-origin'), null);
    }
    for (const signal of ['dnt', 'sec-gpc']) {
      const quiet = await sage.send([feedback(), { type: 'error', ts: new Date().toISOString(), component: 'page', code: 'oops' }], { key: PUBLIC_KEY, headers: { origin: PAGE, [signal]: '1' } });
      accepted(quiet, { received: 2, stored: 1, dropped: { opted_out: 1 } });
    }
  });

  test('preflights', async () => {
    const ask = (/** @type {string} */ origin) => sage.request('/sage/v1/events', {
      method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' },
    });
    const allowed = await ask(PAGE);
    assert.equal(allowed.status, 204);
    assert.equal(allowed.headers.get('access-control-allow-origin'), PAGE);
    assert.match(allowed.headers.get('access-control-allow-methods') ?? '', /POST/);
    assert.match(allowed.headers.get('access-control-allow-headers') ?? '', /authorization/i);
    assert.match(allowed.headers.get('access-control-allow-headers') ?? '', /content-type/i);
    assert.equal((await ask('https://evil.example.com')).headers.get('access-control-allow-origin'), null);
  });

  test('of a person who opted out only money is kept', async () => {
    const [from, to] = [Date.now() - 86_400_000, Date.now()].map((at) => new Date(at).toISOString().slice(0, 10));
    const before = (await sage.sage(`from=${from}&to=${to}`)).panels;
    accepted(await sage.send([turn({ user_id: 'hermit', opted_out: true }), feedback({ user_id: 'hermit', opted_out: true })]), { stored: 1, dropped: { opted_out: 1 } });
    const now = (await sage.sage(`from=${from}&to=${to}`)).panels;
    assert.equal(now.usage.turns.value, before.usage.turns.value + 1);
    assert.equal(now.cost.spend.value, before.cost.spend.value + 8_700_000, '1,200 × $3 + 340 × $15 a million');
    assert.equal(now.usage.users.value, before.usage.users.value);
    assert.equal(now.usage.sessions.value, before.usage.sessions.value);
    assert.equal(now.operations.intake.dropped.value, before.operations.intake.dropped.value + 1);
  });
});

describe('numbers', { timeout: 60_000 }, () => {
  /** @type {import('../lib/sage.mjs').Sage} */
  let sage;
  const admin = { authorization: `Bearer ${ADMIN_TOKEN}` };
  before(async () => {
    sage = await startSage({ settings: { time_zone: 'Europe/Berlin' } });
    const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
    // 23:10 UTC: the day after in Berlin and Kathmandu, the same day in UTC and New York.
    accepted(await sage.send([turn({ ts: `${new Date(Date.now() - 2 * 86_400_000).toISOString().slice(0, 10)}T23:10:00Z` }), turn({ ts: `${yesterday}T12:00:00Z` })]), { stored: 2 });
  });
  after(() => sage?.stop());

  test('the answer has its frame and one shape for every number', async () => {
    const answer = await sage.sage();
    assert.equal(answer.tz, 'Europe/Berlin');
    assert.ok(Date.parse(answer.from) < Date.parse(answer.to) && Math.abs(Date.parse(answer.generated_at) - Date.now()) < 60_000);
    const { cost, usage, operations, crisis } = answer.panels;
    for (const metric of [cost.spend, cost.per_user.mean, cost.per_user.median, cost.per_user.p90, cost.per_user.p99, cost.per_user.max, usage.dau, usage.wau, usage.mau, usage.sessions,
      usage.turns, operations.intake.received, operations.intake.stored, operations.intake.duplicate, operations.intake.dropped, operations.intake.dead_lettered, crisis.referrals]) {
      assert.deepEqual(Object.keys(metric).sort(), ['ci', 'exact', 'hidden', 'n', 'unit', 'value']);
    }
    assert.equal(cost.spend.unit, 'nano_usd');
    assert.equal(cost.spend.value, 2 * 8_700_000);
    assert.ok(Array.isArray(cost.spend_by_model) && Array.isArray(cost.top_users));
    assert.ok(cost.top_users.every((/** @type {any} */ row) => /^k\d+_[0-9a-f]{32}$/.test(row.bucket)), 'people are named by keys');
  });

  test('days are cut in the zone that is asked for', async () => {
    const day = new Date(Date.now() - 2 * 86_400_000).toISOString().slice(0, 10);
    const turns = async (/** @type {string} */ tz) => (await sage.sage(`from=${day}&to=${day}&tz=${encodeURIComponent(tz)}&panel=usage`)).panels.usage.turns.value;
    assert.equal(await turns('UTC'), 1);
    assert.equal(await turns('America/New_York'), 1);
    assert.equal(await turns('Europe/Berlin'), 0);
    assert.equal(await turns('Asia/Kathmandu'), 0);
    const instants = await sage.sage(`from=${day}T23:00:00Z&to=${day}T23:15:00Z&panel=usage`);
    assert.equal(instants.panels.usage.turns.value, 1);
    assert.deepEqual(Object.keys(instants.panels), ['usage']);
    assert.deepEqual(Object.keys((await sage.sage('panel=cost,crisis')).panels).sort(), ['cost', 'crisis']);
  });

  test('a panel as CSV', async () => {
    const reply = await sage.request('/sage?panel=cost&format=csv', { headers: admin });
    assert.equal(reply.status, 200);
    assert.match(reply.headers.get('content-type') ?? '', /^text\/csv/);
    const rows = reply.text.trimEnd().split('\r\n');
    assert.equal(rows[0], 'metric,bucket,value,unit,n,exact,hidden,ci_low,ci_high,error');
    assert.ok(rows.includes('spend,,17400000,nano_usd,2,true,,,,'), reply.text.slice(0, 400));
    assert.ok(rows.every((row) => row.split(',').length === 10));
  });

  test('the answer has the shape of its schema', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sage-answer-'));
    try {
      const files = [];
      for (const query of ['', 'compare=previous', 'filter=model:claude-sonnet-4-5', 'filter=country:DE', 'filter=device:mobile', 'panel=cost,crisis&tz=Asia/Kathmandu']) {
        const file = join(folder, `${files.length}.json`);
        await writeFile(file, JSON.stringify(await sage.sage(query)));
        files.push(file);
      }
      assert.deepEqual(await python('oracle/answer_schema.py', files), { faults: [] });
      const changed = join(folder, 'changed.json');
      await writeFile(changed, JSON.stringify({ ...(await sage.sage('panel=crisis')), tip: 1 }));
      assert.equal((await python('oracle/answer_schema.py', [changed])).faults.length, 1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('what is held is not sent again, to those who may have it', async () => {
    const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
    for (const path of [`/sage?panel=cost&to=${yesterday}`, '/sage?panel=cost&format=csv', '/safety/transparency', '/safety/transparency.json']) {
      const ask = (/** @type {string} */ held, /** @type {Record<string, string>} */ headers = admin) => sage.request(path, { headers: { ...headers, ...(held ? { 'if-none-match': held } : {}) } });
      const whole = await ask('');
      const tag = whole.headers.get('etag') ?? '';
      assert.match(tag, /^W\/"[0-9a-f]{16}"$/, path);
      assert.equal(whole.status, 200);
      const isPublic = path.startsWith('/safety');
      assert.equal(whole.headers.get('cache-control'), isPublic ? 'public, max-age=60' : 'private, no-cache');
      for (const held of [tag, '*', `"x", ${tag.slice(2)}`]) {
        const reply = await ask(held);
        assert.deepEqual([reply.status, reply.text, reply.headers.get('etag')], [304, '', tag], `${path} ${held}`);
        assert.equal(reply.headers.get('cache-control'), whole.headers.get('cache-control'));
      }
      assert.equal((await ask('"0123456789abcdef"')).status, 200);
      if (!isPublic) problem(await ask('*', {}), 401, 'unauthorized');
    }
  });

  test('a list goes on only from where it was left', async () => {
    assert.equal((await sage.sage('panel=usage')).panels.usage.churn.next, null);
    const place = '21.k1_000102030405060708090a0b0c0d0e0f';
    assert.deepEqual((await sage.sage(`panel=usage&after=${place}`)).panels.usage.churn.users, []);
    for (const [query, word] of [['panel=usage&after=21', 'after'], [`after=${place}`, 'after needs'], [`panel=usage&compare=previous&after=${place}`, 'compare']]) {
      problem(await sage.request(`/sage?${query}`, { headers: admin }), 400, 'bad_query', word);
    }
  });

  test('bad questions are named', async () => {
    for (const [query, word] of [['from=yesterday', 'from'], ['to=2026-13-01', 'to'], ['tz=Mars/Base', 'tz'], ['panel=gold', 'panel'], ['format=xml', 'format'], ['format=csv', 'panel'],
      ['from=2026-11-22&to=2026-11-21', 'before'], ['from=2020-01-01', '399'], ['window=7d', 'parameters']]) {
      problem(await sage.request(`/sage?${query}`, { headers: admin }), 400, 'bad_query', word);
    }
    problem(await sage.request('/sage', { method: 'POST', headers: admin }), 405, 'method_not_allowed');
  });

  test('only the admin token opens them', async () => {
    for (const authorization of [undefined, 'Bearer', 'Bearer wrong', `Bearer ${ADMIN_TOKEN}x`, `Basic ${ADMIN_TOKEN}`, `Bearer ${INGEST_KEY}`]) {
      problem(await sage.request('/sage', { headers: authorization ? { authorization } : {} }), 401, 'unauthorized');
    }
    problem(await sage.request(`/sage?token=${ADMIN_TOKEN}`), 401, 'unauthorized');
    problem(await sage.request('/sage', { headers: { 'cf-access-jwt-assertion': 'a.b.c' } }), 401, 'unauthorized');
    assert.equal((await sage.request('/sage', { headers: { authorization: `bearer ${ADMIN_TOKEN}` } })).status, 200);
  });

  test('health is a durable write', async () => {
    const reply = await sage.request('/sage/healthz');
    assert.equal(reply.status, 200);
    assert.deepEqual(reply.json, { status: 'ok' });
    assert.equal((await sage.request('/sage/healthz', { method: 'POST' })).status, 405);
  });
});

describe('what is not configured stays closed', { timeout: 60_000 }, () => {
  test('no secrets', async () => {
    const sage = await startSage({ secrets: { SAGE_INGEST_KEY: undefined, SAGE_PUBLIC_KEY: undefined, SAGE_ADMIN_TOKEN: undefined, SAGE_UID_SALT: undefined } });
    try {
      problem(await sage.send(turn()), 503, 'not_configured', 'SAGE_INGEST_KEY');
      problem(await sage.send(turn(), { key: '' }), 503, 'not_configured');
      problem(await sage.request('/sage', { headers: { authorization: 'Bearer ' } }), 403, 'not_configured', 'SAGE_ADMIN_TOKEN');
      problem(await sage.request('/sage'), 403, 'not_configured');
      const health = await sage.request('/sage/healthz');
      assert.equal(health.status, 503);
      assert.match(JSON.stringify(health.json.reasons), /SAGE_UID_SALT/);
      await sage.restart({ secrets: { SAGE_INGEST_KEY: INGEST_KEY, SAGE_ADMIN_TOKEN: '', SAGE_UID_SALT: 'short' } });
      const refused = await sage.send(turn());
      problem(refused, 503, 'not_configured', 'SAGE_UID_SALT');
      assert.ok(Number(refused.headers.get('retry-after')) > 0);
      problem(await sage.request('/sage', { headers: { authorization: 'Bearer ' } }), 403, 'not_configured');
    } finally {
      await sage.stop();
    }
  });

  test('settings that are wrong', async () => {
    const sage = await startSage({ secrets: { SAGE_SETTINGS: '{"orgin":"x"}' } });
    try {
      const health = await sage.request('/sage/healthz');
      assert.equal(health.status, 503);
      assert.match(JSON.stringify(health.json.reasons), /orgin/);
    } finally {
      await sage.stop();
    }
  });

  test('networks', async () => {
    const sage = await startSage({ settings: { admin: { ip_allow: ['203.0.113.0/24', '2001:db8::/32'] } } });
    const from = (/** @type {string | null} */ address, /** @type {Record<string, string>} */ more = {}) => sage.request('/sage?panel=crisis', {
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...(address ? { 'cf-connecting-ip': address } : {}), ...more },
    });
    try {
      assert.equal((await from('203.0.113.9')).status, 200);
      assert.equal((await from('2001:db8:5::1')).status, 200);
      problem(await from('203.0.114.9'), 403, 'address_not_allowed');
      problem(await from('2001:db9::1'), 403, 'address_not_allowed');
      problem(await from('198.51.100.1', { 'x-forwarded-for': '203.0.113.9', 'x-real-ip': '203.0.113.9' }), 403, 'address_not_allowed');
    } finally {
      await sage.stop();
    }
  });
});

test('Cloudflare Access tokens', { timeout: 60_000 }, async () => {
  const [ours, theirs] = [1, 2].map(() => generateKeyPairSync('rsa', { modulusLength: 2048 }));
  const jwk = { ...ours.publicKey.export({ format: 'jwk' }), kid: 'key-1', alg: 'RS256', use: 'sig' };
  let fetched = 0;
  const team = await startOrigin((request, response) => {
    if (request.url !== '/cdn-cgi/access/certs') return response.writeHead(404).end();
    fetched++;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: [jwk] }));
  });
  const sage = await startSage({ settings: { admin: { access_team_domain: team.url, access_audience: 'the-app' } }, secrets: { SAGE_ADMIN_TOKEN: undefined } });
  const now = () => Math.floor(Date.now() / 1_000);
  /** @param {Record<string, unknown>} [claims] @param {Record<string, unknown>} [header] */
  const token = (claims = {}, header = {}, key = ours.privateKey) => {
    const part = (/** @type {unknown} */ value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part({ alg: 'RS256', kid: 'key-1', ...header })}.${part({ iss: team.url, aud: ['the-app'], exp: now() + 60, nbf: now() - 5, ...claims })}`;
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
  };
  const ask = (/** @type {string} */ jwt) => sage.request('/sage?panel=crisis', { headers: { 'cf-access-jwt-assertion': jwt } });
  try {
    assert.equal((await ask(token())).status, 200);
    assert.equal((await ask(token({ aud: 'the-app' }))).status, 200);
    assert.equal(fetched, 1, 'the keys are kept');
    const good = token();
    const forged = `${good.slice(0, -6)}${good.endsWith('AAAAAA') ? 'BBBBBB' : 'AAAAAA'}`;
    const swapped = (() => { const [header, , signature] = good.split('.'); return [header, token({ sub: 'me' }).split('.')[1], signature].join('.'); })();
    for (const [what, bad] of Object.entries({
      'another key': token({}, {}, theirs.privateKey), 'a changed signature': forged, 'changed claims': swapped, expired: token({ exp: now() - 120 }), early: token({ nbf: now() + 120 }),
      'another audience': token({ aud: ['other'] }), 'another issuer': token({ iss: 'https://evil.example.com' }), 'no algorithm': token({}, { alg: 'none' }), 'HS256': token({}, { alg: 'HS256' }),
      'an unknown key id': token({}, { kid: 'key-2' }), 'no signature': good.slice(0, good.lastIndexOf('.') + 1), garbage: 'a.b.c',
    })) {
      problem(await ask(bad), 401, 'unauthorized');
      assert.ok(bad, what);
    }
    assert.ok(fetched <= 2, `unknown key ids do not make Sage fetch again and again: ${fetched}`);
    problem(await sage.request('/sage'), 401, 'unauthorized', 'Access');
    await sage.restart({ secrets: { SAGE_ADMIN_TOKEN: ADMIN_TOKEN } });
    assert.equal((await sage.sage('panel=crisis')).tz, 'UTC');
    await team.close();
    await sage.restart();
    problem(await ask(token()), 401, 'unauthorized');
  } finally {
    await sage.stop();
    await team.close().catch(() => {});
  }
});

test('the public page shows nothing that fewer than 50 people stand behind', { timeout: 60_000 }, async () => {
  const sage = await startSage({ shards: 2 });
  try {
    const people = (/** @type {number} */ from, /** @type {number} */ to) => Array.from({ length: to - from }, (_, n) => turn({ user_id: `public-${from + n}`, conversation_id: `public-${from + n}` }));
    accepted(await sage.send([...people(0, 49), turn({ user_id: 'public-0', conversation_id: 'public-0' }), { type: 'crisis', ts: new Date().toISOString(), event: 'referral', severity: 3 }]), { stored: 51 });
    const page = async () => (await sage.request('/safety/transparency.json')).json;
    const few = await page();
    assert.equal(few.people_min, 50);
    const hidden = (/** @type {any} */ running) => {
      for (const metric of [running.users, running.sessions, running.turns, running.crisis.referrals, running.crisis.flagged]) {
        assert.deepEqual([metric.value, metric.hidden, metric.n], [null, 'quarter_running', 0]);
      }
    };
    hidden(few.quarters[0]);
    const html = await sage.request('/safety/transparency');
    assert.match(html.headers.get('content-type') ?? '', /^text\/html/);
    assert.match(html.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    assert.match(html.text, /fewer than 50 people/);
    assert.equal(html.headers.get('set-cookie'), null);
    accepted(await sage.send(people(49, 50)), { stored: 1 });
    // What a quarter that runs tells does not move with one person: see transparency.test.mjs for what it tells when.
    const later = await until('a page made anew', async () => {
      const now = await page();
      return now.generated_at !== few.generated_at && now;
    }, { ms: 20_000, everyMs: 500 });
    hidden(later.quarters[0]);
    assert.deepEqual({ ...later, generated_at: 0 }, { ...few, generated_at: 0 });
  } finally {
    await sage.stop();
  }
});

test('without an origin on one machine, Sage says what to set instead of asking itself for ever', async () => {
  const sage = await startSage({ settings: { origin: '' } });
  try {
    const reply = await fetch(`${sage.url}/anything`);
    assert.equal(reply.status, 503);
    assert.match(await reply.text(), /set `origin` in sage\.toml/);
    assert.equal((await fetch(`${sage.url}/sage/healthz`)).status, 200);
  } finally {
    await sage.stop();
  }
});
