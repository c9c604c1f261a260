// @ts-check
/** The way to model providers: every byte as it came, every call a turn with its exact price, nothing of its text kept. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { SECRET, startProvider } from '../lib/provider.mjs';
import { FAULT_BUILD, INGEST_KEY, startOrigin, startSage, until } from '../lib/sage.mjs';
import { scanFolder, scanner } from '../lib/scan.mjs';

const PROMPT = 'prompt-secret-5b2e';
const USER = 'gateway-person-8c1d';

/** @type {Awaited<ReturnType<typeof startProvider>>} */ let provider;
/** @type {import('../lib/sage.mjs').Sage} */ let sage;

const gatewaySettings = (/** @type {string} */ url) => ({
  gateway: { providers: Object.fromEntries(['openai', 'anthropic', 'google', 'bedrock', 'groq'].map((name) => [name, { base_url: url }])) },
});

before(async () => {
  provider = await startProvider();
  sage = await startSage({ settings: gatewaySettings(provider.url) });
});
after(async () => {
  await sage?.stop();
  await provider?.close();
});

/** @param {string} base @param {string} path @param {object} body @param {Record<string, string>} [headers] */
async function post(base, path, body, headers = {}) {
  const response = await fetch(base + path, {
    method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', authorization: 'Bearer sk-caller-key-2f', ...headers },
  });
  return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
}

const cost = async () => (await sage.sage('panel=cost')).panels.cost;
const turns = async () => (await cost()).spend_by_model.reduce((/** @type {number} */ sum, /** @type {any} */ row) => sum + row.count, 0);

/** @typedef {{ name: string, path: string, body: object, model: string, nano_usd: number, price?: string }} Case */
const say = { messages: [{ role: 'user', content: `Say hello. ${PROMPT}` }] };
const parts = { contents: [{ role: 'user', parts: [{ text: PROMPT }] }] };
/** Prices of 2026-11: USD a million tokens, input / cached / output. @type {Case[]} */
const CASES = [
  // gpt-4o: 2.50 / 1.25 / 10: 1000 × 2.5 + 200 × 1.25 + 340 × 10.
  { name: 'chat', path: 'openai/v1/chat/completions', body: { model: 'gpt-4o', ...say }, model: 'gpt-4o', nano_usd: 6_150_000 },
  { name: 'chat stream', path: 'openai/v1/chat/completions', body: { model: 'gpt-4o', stream: true, ...say }, model: 'gpt-4o', nano_usd: 6_150_000 },
  { name: 'chat stream with usage', path: 'openai/v1/chat/completions', body: { model: 'gpt-4o', stream: true, stream_options: { include_usage: true }, ...say }, model: 'gpt-4o', nano_usd: 6_150_000 },
  { name: 'responses', path: 'openai/v1/responses', body: { model: 'gpt-4o', input: PROMPT }, model: 'gpt-4o', nano_usd: 6_150_000 },
  { name: 'responses stream', path: 'openai/v1/responses', body: { model: 'gpt-4o', input: PROMPT, stream: true }, model: 'gpt-4o', nano_usd: 6_150_000 },
  // claude-sonnet-4-5: 3 / 0.30 read, 3.75 five minutes, 6 an hour / 15: 700 × 3 + 200 × 0.3 + 100 × 3.75 + 200 × 6 + 340 × 15.
  { name: 'messages', path: 'anthropic/v1/messages', body: { model: 'claude-sonnet-4-5', max_tokens: 500, ...say }, model: 'claude-sonnet-4-5', nano_usd: 8_835_000 },
  { name: 'messages stream', path: 'anthropic/v1/messages', body: { model: 'claude-sonnet-4-5', max_tokens: 500, stream: true, ...say }, model: 'claude-sonnet-4-5', nano_usd: 8_835_000 },
];

test('every reply is what the provider sent, byte by byte, and every call is a turn with its price', async () => {
  const before = { spend: (await cost()).spend.value ?? 0, turns: await turns() };
  for (const { name, path, body } of CASES) {
    const [slug, ...rest] = path.split('/');
    const straight = await post(provider.url, `/${rest.join('/')}`, body);
    const through = await post(`${sage.url}/sage/llm/${slug}`, `/${rest.join('/')}`, body, { 'sage-user': USER, 'sage-session': 's1', 'sage-feature': 'chat', 'sage-turn': '2' });
    assert.equal(through.status, straight.status, name);
    assert.equal(through.bytes.toString(), straight.bytes.toString(), name);
    for (const header of ['content-type', 'x-request-id', 'request-id']) assert.equal(through.headers.get(header), straight.headers.get(header), `${name}: ${header}`);
    const seen = provider.seen.at(-1);
    assert.ok(seen);
    assert.deepEqual(Object.keys(seen.headers).filter((header) => /^(sage|cf|x-forwarded|x-real)-/.test(header) && header !== 'cf-worker'), [], name);
    assert.equal(seen.headers.authorization, 'Bearer sk-caller-key-2f');
  }
  const spend = CASES.reduce((sum, { nano_usd }) => sum + nano_usd, 0);
  const now = await until('all turns', async () => (await turns()) === before.turns + CASES.length && cost());
  assert.equal(now.spend.value - before.spend, spend);
  const users = await sage.sage('panel=cost,usage');
  assert.equal(users.panels.cost.top_users.length, 1);
  assert.equal(users.panels.usage.sessions.value, 1);
});

test('only what the caller did not ask for is added, and nothing where it asked', async () => {
  const asked = { model: 'gpt-4o', stream: true, ...say };
  await post(`${sage.url}/sage/llm/openai`, '/v1/chat/completions', asked);
  assert.deepEqual(JSON.parse(provider.seen.at(-1)?.body ?? ''), { ...asked, stream_options: { include_usage: true } });
  const own = { ...asked, stream_options: { include_usage: true } };
  await post(`${sage.url}/sage/llm/openai`, '/v1/chat/completions', own);
  assert.equal(provider.seen.at(-1)?.body, JSON.stringify(own));
  const groq = await post(`${sage.url}/sage/llm/groq`, '/openai/v1/chat/completions', asked);
  assert.equal(provider.seen.at(-1)?.body, JSON.stringify(asked));
  assert.ok(!groq.bytes.includes('"usage"'));
});

test('failed calls are turns that cost nothing, and say why', async () => {
  const before = await turns();
  const refused = await post(`${sage.url}/sage/llm/openai`, '/v1/chat/completions', { model: 'error-429-gpt', ...say });
  assert.equal(refused.status, 429);
  assert.ok(refused.bytes.includes(SECRET));
  const gone = await post(`${sage.url}/sage/llm/openai`, '/v1/chat/completions', { model: 'gone', ...say });
  assert.equal(gone.status, 502);
  assert.equal(JSON.parse(gone.bytes.toString()).code, 'provider_unreachable');
  await until('both turns', async () => (await turns()) === before + 2);
  const panel = await cost();
  const row = panel.spend_by_model.find((/** @type {any} */ model) => model.bucket === 'error-429-gpt');
  assert.deepEqual([row.value, row.unpriced_turns, row.usage_missing_turns], [0, 0, 0]);
});

test('a stream that breaks off keeps what is known', async () => {
  const before = await turns();
  const through = await post(`${sage.url}/sage/llm/anthropic`, '/v1/messages', { model: 'claude-sonnet-4-5-broken', max_tokens: 9, stream: true, ...say }).catch(() => undefined);
  assert.equal(through, undefined, 'the caller sees the break');
  await until('the turn', async () => (await turns()) === before + 1);
});

test('when the caller hangs up, the rest is read where the provider bills it, and the turn says so', async () => {
  const slow = await startProvider({ pauseMs: 60 });
  const own = await startSage({ settings: gatewaySettings(slow.url) });
  try {
    /** @param {string} slug @param {string} path @param {object} [model] */
    const hangUp = async (slug, path, model = undefined) => {
      const leave = new AbortController();
      const response = await fetch(`${own.url}/sage/llm/${slug}${path}`, {
        method: 'POST', signal: leave.signal, headers: { 'content-type': 'application/json', authorization: 'Bearer k' },
        body: JSON.stringify({ ...model, stream: true, ...say }),
      });
      const reader = response.body?.getReader();
      await reader?.read();
      leave.abort();
      await reader?.read().catch(() => {});
    };
    await hangUp('openai', '/v1/chat/completions', { model: 'gpt-4o' });
    await until('the provider to notice', () => slow.hungUp === 1);
    await hangUp('bedrock', '/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream');
    const panel = await until('both turns', async () => {
      const now = (await own.sage('panel=cost')).panels.cost;
      return now.spend_by_model.length === 2 && now;
    });
    assert.equal(slow.hungUp, 1, 'the second was read to its end');
    const by = Object.fromEntries(panel.spend_by_model.map((/** @type {any} */ row) => [row.bucket, row]));
    assert.equal(by['gpt-4o'].usage_missing_turns, 1);
    assert.equal(by['gpt-4o'].value, 0);
    assert.equal(by['anthropic.claude-sonnet-4-5-20250929-v1:0'].output_tokens, 340);
  } finally {
    await own.stop();
    await slow.close();
  }
});

test('a provider that stalls keeps no turn of a caller who has gone', { timeout: 60_000 }, async () => {
  const stalled = await startOrigin(async (request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
    for (let n = 0; n < 10; n++) {
      response.write('\0\0');
      await sleep(100);
    }
  });
  const own = await startSage({ settings: gatewaySettings(stalled.url) });
  try {
    const leave = new AbortController();
    setTimeout(() => leave.abort(), 300);
    const path = '/sage/llm/bedrock/model/some-model/converse-stream';
    await fetch(own.url + path, { method: 'POST', signal: leave.signal, body: JSON.stringify(say) }).then((response) => response.text()).catch(() => {});
    const panel = await until('its turn', async () => {
      const now = (await own.sage('panel=cost')).panels.cost;
      return now.spend_by_model.length === 1 && now;
    }, { ms: 40_000 });
    assert.deepEqual([panel.usage_missing.value, panel.partial.value], [1, 1]);
  } finally {
    await own.stop();
    await stalled.close();
  }
});

test('a call goes on when an object panics meanwhile, and the next is counted again', async () => {
  const slow = await startProvider({ pauseMs: 150 });
  const own = await startSage({ build: FAULT_BUILD, settings: gatewaySettings(slow.url) });
  try {
    const body = { model: 'gpt-4o', stream: true, stream_options: { include_usage: true }, ...say };
    const straight = await post(slow.url, '/v1/chat/completions', body);
    await own.sage();
    const under = post(`${own.url}/sage/llm/openai`, '/v1/chat/completions', body);
    await until('the stream to run', () => slow.streaming === 1);
    own.request('/sage/__fault?panic').catch(() => {});
    assert.equal((await under).bytes.toString(), straight.bytes.toString());
    await post(`${own.url}/sage/llm/openai`, '/v1/chat/completions', body);
    await until('the second turn', async () => (await own.sage('panel=cost')).panels.cost.spend.value === 6_150_000);
  } finally {
    await own.stop();
    await slow.close();
  }
});

test('other calls of a provider pass unread', async () => {
  const before = await turns();
  const straight = await fetch(`${provider.url}/v1/models?limit=2`, { headers: { accept: 'x/y' } });
  const through = await fetch(`${sage.url}/sage/llm/openai/v1/models?limit=2`, { headers: { accept: 'x/y' } });
  assert.equal(await through.text(), await straight.text());
  assert.equal(provider.seen.at(-1)?.url, '/v1/models?limit=2');
  const unknown = await sage.request('/sage/llm/nobody/v1/models');
  assert.deepEqual([unknown.status, unknown.json.code], [404, 'unknown_provider']);
  await sleep(300);
  assert.equal(await turns(), before);
});

test('with a key only those who have it pass', async () => {
  const closed = await startSage({ settings: { gateway: { ...gatewaySettings(provider.url).gateway, require_key: true } } });
  try {
    const body = { model: 'gpt-4o', ...say };
    assert.equal((await post(`${closed.url}/sage/llm/openai`, '/v1/chat/completions', body)).status, 401);
    assert.equal((await post(`${closed.url}/sage/llm/openai`, '/v1/chat/completions', body, { 'sage-key': 'wrong' })).status, 401);
    assert.equal((await post(`${closed.url}/sage/llm/openai`, '/v1/chat/completions', body, { 'sage-key': INGEST_KEY })).status, 200);
    assert.equal(provider.seen.at(-1)?.headers['sage-key'], undefined);
    await closed.restart({ settings: { gateway: { enabled: false } } });
    assert.equal((await post(`${closed.url}/sage/llm/openai`, '/v1/chat/completions', body)).status, 404);
  } finally {
    await closed.stop();
  }
});

test('nothing of a prompt, a completion, an error or a person is in anything stored or logged', async () => {
  const scan = scanner([PROMPT, SECRET, USER, 'sk-caller-key-2f']);
  assert.deepEqual((await scanFolder(sage.persist, scan)).found, []);
  assert.deepEqual(scan(sage.log(), 'log'), []);
  assert.deepEqual(scan(JSON.stringify(await sage.sage()), '/sage'), []);
});
