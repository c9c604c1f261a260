// @ts-check
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';

import { fillHistory } from './history.mjs';
import { MODELS, openAiUsage, replyTo, tokensOf, usageOf } from './replies.mjs';
import { startDemoApp } from './server.mjs';
import { parseDevVars } from './settings.mjs';
import { synthesize } from './synthetic.mjs';

const KEY = 'test-ingest-key';
const ENVELOPE = ['type', 'id', 'ts', 'user_id', 'conversation_id', 'session_id', 'turn_index', 'provider', 'model', 'feature', 'status', 'error_code',
  'latency_ms', 'ttft_ms', 'user_chars', 'assistant_chars', 'usage', 'provider_usage', 'country', 'utc_offset_minutes', 'plan', 'guest', 'rating'];

/** A Sage that remembers: every attempt, every event it stored, by id. */
class FakeSage {
  /** @type {Record<string, any>[]} */
  attempts = [];
  /** @type {Map<string, Record<string, any>>} */
  stored = new Map();
  /** Answers to give before it works; 0 hangs up. @type {number[]} */
  failures = [];
  batchMax = 0;

  server = createServer(async (request, response) => {
    /** @type {Buffer[]} */
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const raw = Buffer.concat(chunks);
    const json = JSON.parse((request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString());
    const events = Array.isArray(json) ? json : [json];
    this.attempts.push(...events);
    this.batchMax = Math.max(this.batchMax, events.length);
    const failure = this.failures.shift();
    if (failure === 0) return request.socket.destroy();
    const refused = request.url !== '/sage/v1/events' ? 404 : request.headers.authorization !== `Bearer ${KEY}` ? 401 : failure;
    if (refused) return response.writeHead(refused, { 'content-type': 'application/problem+json' }).end(JSON.stringify({ title: 'no', detail: 'not now' }));
    const fresh = events.filter(({ id }) => !this.stored.has(id));
    for (const event of fresh) this.stored.set(event.id, event);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({
      received: events.length, stored: fresh.length, duplicate: events.length - fresh.length, dead_lettered: 0, dropped: {}, errors: [],
    }));
  });

  async listen() {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    const address = this.server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  }

  /** @param {number} count */
  async has(count) {
    for (let i = 0; i < 200 && this.stored.size < count; i++) await sleep(20);
    assert.equal(this.stored.size, count, 'events stored');
    return [...this.stored.values()];
  }
}

const sage = new FakeSage();
let sageUrl = '';
let base = '';
/** @type {Awaited<ReturnType<typeof startDemoApp>>} */
let app;
/** @type {string[]} */
const lines = [];

before(async () => {
  sageUrl = await sage.listen();
  app = await startDemoApp({ port: 0, sageUrl, ingestKey: KEY, log: (line) => lines.push(line), backoffMs: 10 });
  base = `http://127.0.0.1:${app.port}`;
});
after(async () => {
  await app.close();
  sage.server.closeAllConnections();
  sage.server.close();
});
beforeEach(() => {
  sage.attempts.length = 0;
  sage.stored.clear();
  sage.failures.length = 0;
  lines.length = 0;
});

/**
 * @param {string} path
 * @param {unknown} body
 * @param {RequestInit} [more]
 */
function post(path, body, more) {
  return fetch(base + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), ...more });
}

/** @param {Response} response */
async function readStream(response) {
  assert.ok(response.body);
  const decoder = new TextDecoder();
  /** @type {number[]} */
  const arrivals = [];
  let text = '';
  for await (const bytes of response.body) {
    arrivals.push(performance.now());
    text += decoder.decode(bytes, { stream: true });
  }
  const data = text.split('\n\n').filter(Boolean).map((event) => event.replace(/^data: /, ''));
  assert.equal(data.pop(), '[DONE]');
  return { arrivals, chunks: data.map((line) => JSON.parse(line)) };
}

const ask = (over = {}) => ({ user: 'demo-amara', conversation: 'c1', model: MODELS[0].id, message: 'I can’t sleep', ...over });

test('a reply streams token by token, ends with usage, and is reported once although Sage fails at first', async () => {
  sage.failures.push(503, 0, 429);
  const response = await post('/api/chat', ask({ conversation: 'stream' }));
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  assert.equal(response.headers.get('x-accel-buffering'), 'no');
  assert.equal(response.headers.get('content-encoding'), null);
  const { arrivals, chunks } = await readStream(response);

  const pieces = chunks.flatMap(({ choices }) => choices[0]?.delta.content || []);
  assert.ok(pieces.length > 5);
  assert.equal(pieces.join(''), replyTo('I can’t sleep'));
  assert.ok(arrivals.length > pieces.length / 4, 'tokens arrive one by one, not in a lump');
  assert.ok(arrivals[arrivals.length - 1] - arrivals[0] > pieces.length * 15, 'spaced in time');
  assert.ok(chunks.every(({ object, id }) => object === 'chat.completion.chunk' && id === chunks[0].id));
  const last = chunks[chunks.length - 1];
  assert.deepEqual(last.choices, []);
  assert.ok(last.usage.prompt_tokens > 0);
  assert.ok(chunks.slice(0, -1).every(({ usage }) => usage === null));

  const [turn] = await sage.has(1);
  assert.equal(sage.attempts.length, 4);
  assert.equal(new Set(sage.attempts.map(({ id }) => id)).size, 1, 'a retry keeps the id');
  assert.deepEqual(Object.keys(turn).filter((name) => !ENVELOPE.includes(name)), []);
  assert.equal(turn.type, 'turn');
  assert.equal(turn.status, 'ok');
  assert.equal(turn.user_id, 'demo-amara');
  assert.equal(turn.conversation_id, 'stream');
  assert.equal(turn.turn_index, 0);
  assert.equal(turn.provider, 'openai');
  assert.equal(turn.feature, 'chat');
  assert.equal(turn.user_chars, 13);
  assert.equal(turn.assistant_chars, [...pieces.join('')].length);
  assert.deepEqual(turn.provider_usage, last.usage);
  assert.ok(turn.ttft_ms > 0 && turn.latency_ms > turn.ttft_ms);
  assert.ok(!/amara|stream|sleep/.test(lines.join('\n')), 'nothing personal is logged');
});

test('an Anthropic turn is reported in its own words and streamed in OpenAI’s', async () => {
  const { id: model } = MODELS[MODELS.length - 1];
  const { chunks } = await readStream(await post('/api/chat', ask({ conversation: 'anthropic', model, message: 'thank you' })));
  const [turn] = await sage.has(1);
  assert.equal(turn.provider, 'anthropic');
  const { usage } = chunks[chunks.length - 1];
  const own = turn.provider_usage;
  assert.equal(usage.completion_tokens, own.output_tokens);
  assert.equal(usage.prompt_tokens, own.input_tokens + own.cache_read_input_tokens + own.cache_creation_input_tokens);
  assert.equal(usage.prompt_tokens_details.cached_tokens, own.cache_read_input_tokens);
});

test('a client that hangs up ends the stream, and the turn is cancelled, without usage', async () => {
  const hangUp = new AbortController();
  const response = await post('/api/chat', ask({ conversation: 'hang-up' }), { signal: hangUp.signal });
  const reader = response.body?.getReader();
  const until = performance.now() + 500;
  while (performance.now() < until) await reader?.read();
  hangUp.abort();
  const [turn] = await sage.has(1);
  assert.equal(turn.status, 'cancelled');
  assert.ok(!('provider_usage' in turn) && !('usage' in turn));
  assert.ok(turn.assistant_chars > 0 && turn.assistant_chars < [...replyTo('I can’t sleep')].length);
  assert.ok(turn.latency_ms < 2000, 'it stopped soon');
});

test('feedback is reported with its turn and model; a turn that was never taken has none', async () => {
  const { id: model } = MODELS[1];
  await readStream(await post('/api/chat', ask({ conversation: 'thumbs', model, message: 'thanks' })));
  const second = await post('/api/chat', ask({ conversation: 'thumbs', message: 'thanks' }));
  assert.equal(second.headers.get('x-turn-index'), '1');
  await readStream(second);
  const response = await post('/api/feedback', { user: 'demo-amara', conversation: 'thumbs', turn_index: 0, rating: 'down' });
  assert.equal(response.status, 202);
  const feedback = (await sage.has(3)).find(({ type }) => type === 'feedback');
  assert.deepEqual({ ...feedback, id: '', ts: '' }, {
    type: 'feedback', id: '', ts: '', user_id: 'demo-amara', conversation_id: 'thumbs', turn_index: 0, rating: 'down', model,
  });
  for (const turn_index of [2, -1, 0.5, '0', 'length', null]) {
    assert.equal((await post('/api/feedback', { user: 'demo-amara', conversation: 'thumbs', turn_index, rating: 'up' })).status, 404);
  }
  assert.equal((await post('/api/feedback', { user: 'demo-bruno', conversation: 'thumbs', turn_index: 0, rating: 'up' })).status, 404);
});

test('a Sage that stays down is tried five times, and the chat works', async () => {
  sage.failures.push(503, 503, 503, 503, 503, 503);
  const { chunks } = await readStream(await post('/api/chat', ask({ conversation: 'down', message: 'thanks' })));
  assert.ok(chunks.length > 5);
  for (let i = 0; i < 200 && !lines.length; i++) await sleep(20);
  assert.deepEqual(lines, ['turn not reported, status 503, tries 5']);
  assert.equal(sage.attempts.length, 5);
});

test('a refusal is not tried again', async () => {
  sage.failures.push(400);
  await readStream(await post('/api/chat', ask({ conversation: 'refused', message: 'thanks' })));
  for (let i = 0; i < 200 && !lines.length; i++) await sleep(20);
  assert.deepEqual(lines, ['turn not reported, status 400, tries 1']);
});

test('assets have an ETag, answer 304 to it, and HEAD without a body', async () => {
  for (const path of ['/', '/app.js', '/style.css', '/icon.svg']) {
    const full = await fetch(base + path);
    const etag = full.headers.get('etag') ?? '';
    assert.equal(full.status, 200, path);
    assert.match(etag, /^"[\w-]{22}"$/);
    assert.ok(full.headers.get('cache-control'));
    assert.match(full.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    const bytes = (await full.arrayBuffer()).byteLength;
    const again = await fetch(base + path, { headers: { 'if-none-match': `"other", W/${etag}` }, cache: 'no-store' });
    assert.equal(again.status, 304, path);
    assert.equal((await again.text()).length, 0);
    const head = await fetch(base + path, { method: 'HEAD' });
    assert.equal(Number(head.headers.get('content-length')), bytes);
    assert.equal((await head.text()).length, 0);
  }
  const html = await (await fetch(base)).text();
  assert.ok(!/<style|style=|<script(?![^>]*src=)|\son\w+=/.test(html), 'nothing inline, which the policy would block');
});

test('what is wrong with a request is said', async () => {
  assert.equal((await fetch(`${base}/healthz`)).status, 200);
  assert.equal((await fetch(`${base}/healthz`, { method: 'HEAD' })).status, 200);
  assert.equal((await fetch(`${base}/nowhere`)).status, 404);
  assert.equal((await fetch(`${base}/%2e%2e/server.mjs`)).status, 404);
  const wrongMethod = await fetch(`${base}/api/chat`);
  assert.deepEqual([wrongMethod.status, wrongMethod.headers.get('allow')], [405, 'POST']);
  assert.equal((await fetch(base, { method: 'POST' })).headers.get('allow'), 'GET, HEAD');
  assert.equal((await fetch(`${base}/api/chat`, { method: 'POST', body: '{}' })).status, 415);
  assert.equal((await post('/api/chat', 'not an object')).status, 400);
  assert.equal((await post('/api/chat', ask({ message: 'x'.repeat(20_000) }))).status, 413);
  for (const wrong of [{ user: 'someone' }, { model: 'gpt-0' }, { conversation: 'a b' }, { conversation: 7 }, { message: ' ' }, { message: 'x'.repeat(2001) }]) {
    const response = await post('/api/chat', ask(wrong));
    assert.equal(response.status, 400, JSON.stringify(wrong).slice(0, 40));
    const { title } = /** @type {{ title: string }} */ (await response.json());
    assert.match(title, new RegExp(Object.keys(wrong)[0]));
  }
  assert.equal(sage.attempts.length, 0);
});

test('replies: six models with usage of their own, tokens that join to the text, care when it is needed', () => {
  assert.equal(MODELS.length, 6);
  for (const { id, provider } of MODELS) {
    const usage = usageOf(id, 'any');
    assert.ok(provider === 'openai' ? 'prompt_tokens' in usage : 'input_tokens' in usage);
    assert.equal(typeof openAiUsage(usage).prompt_tokens, 'number');
  }
  const texts = ['hi', 'I want to die', 'sleep', 'breathe', 'work', 'panic', 'so lonely', 'sad', 'angry', 'thanks', 'hm', 'well'];
  for (const text of texts) {
    assert.equal(tokensOf(replyTo(text)).join(''), replyTo(text));
    assert.equal(replyTo(text), replyTo(text));
  }
  for (const text of ['I want to die', 'thinking of suicide', 'I keep cutting myself', 'they would be better off without me']) {
    assert.match(replyTo(text), /988[\s\S]*116 123[\s\S]*findahelpline/);
  }
  assert.doesNotMatch(replyTo('my deadline is killing me'), /988/);
});

test('a history is the same every time, grows with the days, and contradicts itself nowhere', () => {
  const now = Date.UTC(2026, 10, 21, 18, 30);
  const options = { days: 365, users: 60, seed: 7, now };
  const events = synthesize(options);
  assert.ok(events.length > 10_000 && events.length <= 60_000, `${events.length} events`);
  assert.deepEqual(synthesize(options), events);
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length);

  const later = new Map(synthesize({ ...options, now: now + 3 * 86_400_000 }).map((event) => [event.id, event]));
  const shared = events.filter(({ id }) => later.has(id));
  assert.ok(shared.length > events.length * 0.8);
  for (const event of shared) assert.deepEqual(later.get(event.id), event);
  const since = new Date(now).toISOString();
  const known = new Set(events.map(({ id }) => id));
  for (const { id, ts } of later.values()) assert.ok(known.has(id) || ts > since || Date.parse(ts) > now - 120_000, 'a later run adds only later events');

  const kinds = new Set(events.map(({ type }) => type));
  assert.deepEqual([...kinds].sort(), ['feedback', 'turn']);
  for (let i = 1; i < events.length; i++) assert.ok(events[i - 1].ts <= events[i].ts);
  assert.ok(events[events.length - 1].ts <= since);
  assert.ok(new Set(events.map(({ country }) => country)).size > 6);
  for (const event of events) {
    assert.deepEqual(Object.keys(event).filter((name) => !ENVELOPE.includes(name)), []);
    if (event.type !== 'turn') continue;
    assert.equal(event.feature, 'demo');
    assert.ok(Number.isInteger(Number(event.utc_offset_minutes) / 15));
    for (const name of ['latency_ms', 'ttft_ms', 'user_chars', 'assistant_chars']) assert.ok(event[name] === undefined || Number.isSafeInteger(event[name]), name);
    assert.equal('usage' in event, event.status === 'ok' || event.status === 'cancelled');
    const usage = /** @type {Record<string, number> | undefined} */ (event.usage);
    if (!usage) continue;
    assert.ok(Object.values(usage).every((count) => Number.isSafeInteger(count) && count >= 0));
    assert.ok(usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens);
    assert.ok(usage.reasoning_tokens <= usage.output_tokens);
  }
});

test('history goes out in small gzip batches; a second run changes nothing; a refusal is told', async () => {
  const options = { days: 60, users: 30, seed: 7, sageUrl, ingestKey: KEY, now: Date.UTC(2026, 10, 21, 12), backoffMs: 5 };
  sage.failures.push(503);
  sage.batchMax = 0;
  const first = await fillHistory(options);
  assert.ok(first.sent > 500 && sage.batchMax === 500);
  assert.equal(first.stored, first.sent);
  assert.deepEqual(await fillHistory(options), { ...first, stored: 0, duplicate: first.sent });
  await assert.rejects(fillHistory({ ...options, ingestKey: 'wrong' }), /refuses the ingest key/);
  const closed = new FakeSage();
  const nobody = await closed.listen();
  await new Promise((resolve) => closed.server.close(resolve));
  await assert.rejects(fillHistory({ ...options, sageUrl: nobody }), /does not answer.*ECONNREFUSED/);
  await assert.rejects(fillHistory({ ...options, sageUrl: `${base}/` }), /not as Sage does/);
});

test('.dev.vars is read with and without quotes', () => {
  assert.deepEqual(parseDevVars('# comment\nA=1\nB = "two # two" # note\nexport C=\'x\'\nD=v=w  # note\n\nnonsense\n'), { A: '1', B: 'two # two', C: 'x', D: 'v=w' });
});
