// @ts-check
/** A turn that several ways tell of counts once, whichever is first and whoever knows whose it is: gateway, OTLP, events, `Sage-Turn`. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startProvider } from '../lib/provider.mjs';
import { INGEST_KEY, python, startOrigin, startSage, until } from '../lib/sage.mjs';

/** At the public prices of gpt-4o and claude-sonnet-4-5; see gateway.test.mjs. */
const CHAT_NANO_USD = 6_150_000;
const CLAUDE_NANO_USD = 8_835_000;
/** What the app under OpenLIT asks for one prompt: two chats, a response, two messages. */
const CALLS = 5;
const CALLS_NANO_USD = 3 * CHAT_NANO_USD + 2 * CLAUDE_NANO_USD;

/** @typedef {{ type: string, body: Buffer }} Export */
/** @typedef {import('../lib/sage.mjs').Sage} Sage */

/** @type {Awaited<ReturnType<typeof startProvider>>} */ let provider;
/** What OpenLIT exported, a body for each prompt. @type {Export[]} */ const exported = [];

before(async () => {
  provider = await startProvider();
  const collector = await startOrigin(async (request, response) => {
    /** @type {Buffer[]} */ const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    exported.push({ type: String(request.headers['content-type']), body: Buffer.concat(chunks) });
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  });
  try {
    await openlit({ otlp: collector.url, openai: provider.url, anthropic: provider.url, said: ['told first', 'told last'] });
  } finally {
    await collector.close();
  }
});
after(() => provider?.close());

/** @param {object} given */
const openlit = (given) => python('sdk/gateway_openlit.py', [JSON.stringify({ key: INGEST_KEY, headers: { 'Sage-User': 'someone' }, ...given })]);

/** @param {Sage} sage @param {Export} one */
async function deliver(sage, { type, body }) {
  const reply = await sage.request('/sage/v1/traces', { method: 'POST', body: /** @type {any} */ (body), headers: { authorization: `Bearer ${INGEST_KEY}`, 'content-type': type } });
  assert.equal(reply.status, 200, reply.text);
}

/** A call through the gateway. @param {string} gateway @param {string} path @param {object} body @param {Record<string, string>} [headers] */
async function call(gateway, path, body, headers = {}) {
  const response = await fetch(gateway + path, { method: 'POST', headers: { 'content-type': 'application/json', authorization: 'Bearer sk-of-nobody', ...headers }, body: JSON.stringify(body) });
  assert.equal(response.status, 200);
  return response.text();
}

const question = (/** @type {string} */ content) => ({ messages: [{ role: 'user', content }] });

/** The calls that the app under OpenLIT makes for a prompt. @param {Sage} sage @param {string} said */
async function callAll(sage, said) {
  const [openai, anthropic, headers] = [`${sage.url}/sage/llm/openai`, `${sage.url}/sage/llm/anthropic`, { 'sage-user': 'someone' }];
  await call(openai, '/v1/chat/completions', { model: 'gpt-4o', ...question(said) }, headers);
  await call(openai, '/v1/chat/completions', { model: 'gpt-4o', stream: true, ...question(`${said}, streamed`) }, headers);
  await call(openai, '/v1/responses', { model: 'gpt-4o', input: said }, headers);
  await call(anthropic, '/v1/messages', { model: 'claude-sonnet-4-5', max_tokens: 100, ...question(said) }, headers);
  await call(anthropic, '/v1/messages', { model: 'claude-sonnet-4-5', max_tokens: 100, stream: true, ...question(`${said}, streamed`) }, headers);
}

/** @param {Sage} sage */
async function counted(sage) {
  const { cost, usage, operations } = (await sage.sage()).panels;
  return { turns: usage.turns.value, spend: cost.spend.value ?? 0, duplicate: operations.intake.duplicate.value, claude: cost.spend_by_model.find((/** @type {any} */ row) => row.bucket === 'claude-sonnet-4-5')?.value ?? 0 };
}

/** What comes in while `work` runs. @param {Sage} sage @param {{ turns: number, duplicate?: number }} expected @param {() => Promise<unknown>} work */
async function added(sage, { turns, duplicate = 0 }, work) {
  const before = await counted(sage);
  await work();
  const now = await until('all turns', async () => {
    const so_far = await counted(sage);
    return so_far.turns + so_far.duplicate >= before.turns + before.duplicate + turns + duplicate && so_far;
  });
  assert.deepEqual([now.turns - before.turns, now.duplicate - before.duplicate], [turns, duplicate], 'turns and duplicates');
  return { spend: now.spend - before.spend, claude: now.claude - before.claude };
}

for (const shards of [1, 4]) {
  describe(`with ${shards} Shard(s)`, { timeout: 120_000 }, () => {
    /** @type {Sage} */ let sage;
    /** An app that tells of its turns in its own responses. @type {Awaited<ReturnType<typeof startOrigin>>} */ let app;
    /** @type {Record<string, any>} */ let tells = {};
    let number = 0;

    before(async () => {
      app = await startOrigin(async (request, response) => {
        request.resume();
        response.writeHead(200, { 'sage-turn': JSON.stringify(tells) }).end('hello');
      });
      sage = await startSage({ shards, origin: app.url, settings: { gateway: { providers: { openai: { base_url: provider.url }, anthropic: { base_url: provider.url } } } } });
    });
    after(async () => {
      await sage?.stop();
      await app?.close();
    });

    /** The app's own word of a chat. @param {string} response_id */
    const turn = (response_id) => ({
      type: 'turn', id: `event-${number++}`, ts: new Date().toISOString(), user_id: `somebody-${number}`, provider: 'openai', model: 'gpt-4o', usage: { input_tokens: 1200, output_tokens: 340, cache_read_tokens: 200 }, response_id,
    });
    /** @param {object} event */
    const send = async (event) => assert.equal((await sage.send(event)).status, 200);
    /** @param {string} response_id */
    const tell = async (response_id) => {
      const { type: _, ...told } = turn(response_id);
      tells = told;
      assert.equal((await sage.request('/chat')).text, 'hello');
    };
    /** @param {string} response_id */
    const trace = (response_id) => {
      const attributes = Object.entries({
        'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'openai', 'gen_ai.request.model': 'gpt-4o', 'gen_ai.response.id': response_id, 'gen_ai.usage.input_tokens': 1200,
        'gen_ai.usage.output_tokens': 340, 'gen_ai.usage.cache_read.input_tokens': 200,
      }).map(([key, value]) => ({ key, value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value } }));
      const ns = (/** @type {number} */ ago) => String(BigInt(Date.now() - ago) * 1_000_000n);
      const ids = { traceId: crypto.randomUUID().replaceAll('-', ''), spanId: crypto.randomUUID().replaceAll('-', '').slice(16) };
      const span = { ...ids, name: 'chat', kind: 3, startTimeUnixNano: ns(2_000), endTimeUnixNano: ns(1_000), attributes };
      return deliver(sage, { type: 'application/json', body: Buffer.from(JSON.stringify({ resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ spans: [span] }] }] })) });
    };
    /** A call through the gateway; the id of its reply. @param {string} said */
    const ask = async (said) => JSON.parse(await call(`${sage.url}/sage/llm/openai`, '/v1/chat/completions', { model: 'gpt-4o', ...question(said) }, { 'sage-user': 'someone' })).id;
    /** The id that the reply to a question has. @param {string} said */
    const idOf = async (said) => JSON.parse(await call(provider.url, '/v1/chat/completions', { model: 'gpt-4o', ...question(said) })).id;

    test('OpenLIT exports what went through the gateway', async () => {
      const { spend, claude } = await added(sage, { turns: CALLS, duplicate: CALLS }, () =>
        openlit({ otlp: `${sage.url}/sage`, openai: `${sage.url}/sage/llm/openai`, anthropic: `${sage.url}/sage/llm/anthropic`, said: ['told at once'] }));
      assert.equal(spend - claude, 3 * CHAT_NANO_USD);
    });

    test('OpenLIT\'s export comes before the calls, and after them', async () => {
      const [early, late] = exported;
      assert.ok(early && late && exported.length === 2);
      const first = await added(sage, { turns: CALLS }, () => deliver(sage, early));
      assert.equal(first.spend - first.claude, 3 * CHAT_NANO_USD);
      assert.equal((await added(sage, { turns: 0, duplicate: CALLS }, () => callAll(sage, 'told first'))).spend, 0, 'the first telling is kept');
      assert.equal((await added(sage, { turns: CALLS }, () => callAll(sage, 'told last'))).spend, CALLS_NANO_USD);
      assert.equal((await added(sage, { turns: 0, duplicate: CALLS }, () => deliver(sage, late))).spend, 0);
      assert.equal((await added(sage, { turns: 0, duplicate: CALLS }, () => deliver(sage, late))).spend, 0, 'an export sent again');
    });

    test('the app\'s event beside the gateway, in either order', async () => {
      const once = { turns: 1, duplicate: 1 };
      assert.equal((await added(sage, once, async () => send(turn(await ask('event last'))))).spend, CHAT_NANO_USD);
      const id = await idOf('event first');
      assert.equal((await added(sage, { turns: 1 }, () => send(turn(id)))).spend, CHAT_NANO_USD);
      assert.equal((await added(sage, { turns: 0, duplicate: 1 }, async () => assert.equal(await ask('event first'), id))).spend, 0);
    });

    test('the app\'s own response beside the gateway, in either order', async () => {
      assert.equal((await added(sage, { turns: 1, duplicate: 1 }, async () => tell(await ask('response last')))).spend, CHAT_NANO_USD);
      const id = await idOf('response first');
      assert.equal((await added(sage, { turns: 1 }, () => tell(id))).spend, CHAT_NANO_USD);
      assert.equal((await added(sage, { turns: 0, duplicate: 1 }, () => ask('response first'))).spend, 0);
    });

    test('all four ways, whichever is first, and all at once', async () => {
      const ways = { ask, send: (/** @type {string} */ said) => idOf(said).then((id) => send(turn(id))), tell: (/** @type {string} */ said) => idOf(said).then(tell), trace: (/** @type {string} */ said) => idOf(said).then(trace) };
      const names = /** @type {(keyof typeof ways)[]} */ (Object.keys(ways));
      for (const [at, name] of names.entries()) {
        const order = [name, ...names.slice(at + 1), ...names.slice(0, at)];
        const { spend } = await added(sage, { turns: 1, duplicate: 3 }, async () => { for (const way of order) await ways[way](`from ${name} on`); });
        assert.equal(spend, CHAT_NANO_USD, order.join(', '));
      }
      const { spend } = await added(sage, { turns: 1, duplicate: 3 }, () => Promise.all(names.map((name) => ways[name]('all at once'))));
      assert.equal(spend, CHAT_NANO_USD);
    });

    test('two calls whose replies have one id are two turns, however they are told', async () => {
      assert.equal((await added(sage, { turns: 2 }, async () => assert.equal(await ask('the same'), await ask('the same')))).spend, 2 * CHAT_NANO_USD);
      const id = await idOf('the same');
      await added(sage, { turns: 0, duplicate: 2 }, async () => { await trace(id); await trace(id); });
      await added(sage, { turns: 0, duplicate: 1 }, () => send(turn(id)));
      await added(sage, { turns: 1 }, () => trace(id));
      await added(sage, { turns: 0, duplicate: 2 }, async () => { await send(turn(id)); await send(turn(id)); });
    });

    test('a kill forgets none of it', async () => {
      const before = await counted(sage);
      await sage.kill9();
      assert.deepEqual(await counted(sage), before);
      await added(sage, { turns: 0, duplicate: 1 }, async () => send(turn(await idOf('response first'))));
    });
  });
}
