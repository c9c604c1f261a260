// @ts-check
/**
 * Who opted out, is under 13 or has not agreed is not there, whichever way an event of theirs comes in: what they cost still adds
 * up, nothing of them is held, and it stays so until they say otherwise.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';

import { ADMIN_TOKEN, INGEST_KEY, PUBLIC_KEY, startOrigin, startSage, until } from '../lib/sage.mjs';

const PAGE = 'https://chat.example.com';
// gpt-4o: 1000 × 2.50 + 100 × 10 USD a million.
const TURN_NANO_USD = 3_500_000;
let number = 0;
const ts = () => new Date(Date.now() - 1_000).toISOString();
const id = () => `consent-${number++}`;
const usage = { input_tokens: 1000, output_tokens: 100 };
const turn = (/** @type {string} */ user, more = {}) => ({ type: 'turn', id: id(), ts: ts(), user_id: user, conversation_id: `talk-of-${user}`, provider: 'openai', model: 'gpt-4o', usage, ...more });

/** One event of every kind that a backend may send, and whether it stays, without its person, when they are not there. */
const KINDS = /** @type {const} */ ([
  [{ type: 'turn', provider: 'openai', model: 'gpt-4o', usage }, true],
  [{ type: 'feedback', rating: 'up', text: 'thanks' }, false],
  [{ type: 'observation', emotion: 'joy', intensity: 1, confidence: 0.5, model_version: 'v1' }, false],
  [{ type: 'error', component: 'ui', code: 'E1', message: 'it broke' }, true],
  [{ type: 'vital', name: 'lcp', value: 900, url: '/chat' }, false],
  [{ type: 'journey', name: 'chat_opened' }, false],
  [{ type: 'platform', platform: 'calendar', event: 'connected' }, false],
  [{ type: 'service_cost', service: 'cdn', nano_usd: 5 }, true],
  [{ type: 'crisis', event: 'referral', severity: 3 }, true],
  [{ type: 'incident', severity: 'p1', code: 'down' }, true],
  [{ type: 'notice', kind: 'safety_policy', code: 'v2' }, true],
  [{ type: 'moment', text: 'a line' }, false],
]);

/** What is held of a person. @param {import('../lib/sage.mjs').Sage} sage @param {string} user */
async function held(sage, user) {
  const reply = await sage.request(`/sage/v1/users/${encodeURIComponent(user)}`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
  assert.equal(reply.status, 200, reply.text);
  return reply.json;
}

/** @param {import('../lib/sage.mjs').Sage} sage */
const spend = async (sage) => (await sage.sage('panel=cost')).panels.cost.spend.value ?? 0;

describe('consent', { timeout: 240_000 }, () => {
  /** @type {import('../lib/sage.mjs').Sage} */ let sage;
  /** @type {Awaited<ReturnType<typeof startOrigin>>} */ let app;
  /** @type {import('node:http').Server} */ let provider;
  before(async () => {
    app = await startOrigin((request, response) => {
      request.resume();
      const told = JSON.stringify({ ...turn(String(request.url).slice(1)), type: undefined, ts: undefined });
      response.writeHead(200, { 'content-type': 'application/json', 'sage-turn': told }).end('{}');
    });
    provider = createServer((request, response) => {
      request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({
        id: id(), object: 'chat.completion', model: 'gpt-4o', choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'hi' } }],
        usage: { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 },
      })));
    });
    await new Promise((resolve) => provider.listen(0, '127.0.0.1', () => resolve(undefined)));
    const { port } = /** @type {import('node:net').AddressInfo} */ (provider.address());
    sage = await startSage({
      origin: app.url, shards: 2,
      settings: { browser: { allowed_origins: [PAGE], user_ids: true }, gateway: { providers: { openai: { base_url: `http://127.0.0.1:${port}/v1` } } } },
    });
  });
  after(async () => {
    await sage?.stop();
    await app?.close();
    provider?.close();
  });

  test('every kind is treated as the table says, of people known and unknown', async () => {
    for (const named of [true, false]) {
      for (const { what, said } of [{ what: 'opted_out', said: { opted_out: true } }, { what: 'not_attested', said: { age_13_plus: false } }]) {
        const user = `table-${what}`;
        for (const [kind, kept] of KINDS) {
          const reply = await sage.send({ ...kind, ...said, id: id(), ts: ts(), session_id: `visit-of-${user}`, ...(named ? { user_id: user } : {}) });
          assert.deepEqual([reply.status, reply.json.stored, reply.json.dropped], [200, kept ? 1 : 0, kept ? {} : { [what]: 1 }], `${kind.type} ${what} ${named}`);
        }
        assert.deepEqual((await held(sage, user)).events, []);
      }
    }
    const { intake } = (await sage.sage('panel=operations')).panels.operations;
    assert.deepEqual([intake.received.value, intake.stored.value], [4 * KINDS.length, 4 * KINDS.filter(([, kept]) => kept).length]);
    assert.equal(intake.received.value, intake.stored.value + intake.dropped.value);
  });

  /** Ways by which a turn of a person comes in who is not there, and how many turns they make. @type {Record<string, (user: string) => Promise<number>>} */
  const ways = {
    'an event': async (user) => {
      assert.equal((await sage.send(turn(user, { opted_out: true }))).json.stored, 1);
      return 1;
    },
    'an attribute of OpenTelemetry': async (user) => {
      const now = BigInt(Date.now()) * 1_000_000n;
      const attributes = { 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'openai', 'gen_ai.request.model': 'gpt-4o', 'gen_ai.usage.input_tokens': 1000, 'gen_ai.usage.output_tokens': 100, 'user.id': user, 'sage.opted_out': true };
      const value = (/** @type {unknown} */ of) => (typeof of === 'string' ? { stringValue: of } : typeof of === 'boolean' ? { boolValue: of } : { intValue: String(of) });
      const span = {
        traceId: crypto.randomUUID().replaceAll('-', ''), spanId: crypto.randomUUID().replaceAll('-', '').slice(0, 16), name: 'chat', kind: 3,
        startTimeUnixNano: String(now - 2_000_000_000n), endTimeUnixNano: String(now - 1_000_000_000n), attributes: Object.entries(attributes).map(([key, of]) => ({ key, value: value(of) })),
      };
      const body = JSON.stringify({ resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ scope: { name: 'test' }, spans: [span] }] }] });
      const reply = await sage.request('/sage/v1/traces', { method: 'POST', body, headers: { authorization: `Bearer ${INGEST_KEY}`, 'content-type': 'application/json' } });
      assert.equal(reply.status, 200, reply.text);
      return 1;
    },
    'headers of a call through the gateway': async (user) => {
      const headers = /** @type {const} */ ([['sage-opt-out', '1'], ['sec-gpc', '1'], ['dnt', '1'], ['sage-age-13-plus', 'false']]);
      for (const [name, value] of headers) {
        const reply = await sage.request('/sage/llm/openai/chat/completions', {
          method: 'POST', body: JSON.stringify({ model: 'gpt-4o', messages: [] }), headers: { 'content-type': 'application/json', authorization: 'Bearer k', 'sage-user': user, [name]: value },
        });
        assert.equal(reply.status, 200, reply.text);
      }
      return headers.length;
    },
    "the app's own response": async (user) => {
      for (const name of ['sec-gpc', 'dnt']) assert.equal((await sage.request(`/${user}`, { headers: { [name]: '1' } })).status, 200);
      return 2;
    },
    'a page': async (user) => {
      const reply = await sage.request(`/sage/v1/events?key=${PUBLIC_KEY}`, {
        method: 'POST', headers: { origin: PAGE, 'content-type': 'text/plain', 'sec-gpc': '1' },
        body: JSON.stringify({ type: 'feedback', id: id(), ts: ts(), user_id: user, rating: 'up' }),
      });
      assert.deepEqual([reply.status, reply.json.stored, reply.json.dropped], [200, 0, { opted_out: 1 }], reply.text);
      return 0;
    },
  };
  for (const [way, tell] of Object.entries(ways)) {
    test(`${way}: the money adds up, the person is not there, and stays so`, async () => {
      const user = `quiet-${number++}`;
      const before = await spend(sage);
      const turns = await tell(user);
      await until('the spend', async () => (await spend(sage)) === before + turns * TURN_NANO_USD, { ms: 20_000, everyMs: 100 });
      const none = await held(sage, user);
      assert.deepEqual([none.events, none.spend, none.sessions], [[], [], []]);
      assert.ok(none.choices.analytics?.yes === false || none.choices.age_13_plus?.yes === false, JSON.stringify(none.choices));
      // What comes later without a word of it.
      assert.equal((await sage.send(turn(user))).json.stored, 1);
      assert.deepEqual((await held(sage, user)).events, []);
      assert.equal(await spend(sage), before + (turns + 1) * TURN_NANO_USD);
      // Until they agree again.
      const agreed = ['analytics', 'age_13_plus'].map((purpose) => ({ type: 'consent', id: id(), ts: new Date().toISOString(), user_id: user, purpose, state: 'granted' }));
      assert.equal((await sage.send(agreed)).json.stored, 2);
      assert.equal((await sage.send(turn(user))).json.stored, 1);
      const back = await held(sage, user);
      assert.deepEqual(back.events.map((/** @type {any} */ { event }) => Object.keys(event.body)[0]), ['consent', 'consent', 'turn']);
      assert.deepEqual([back.spend.length, back.sessions.length], [1, 1]);
    });
  }

  test('where the operator asks first, no one is there who has not agreed', async () => {
    const strict = await startSage({ settings: { consent: { required: true, age_13_plus: 'attested' } } });
    try {
      const send = async (/** @type {object} */ event) => (await strict.send({ ts: ts(), id: id(), user_id: 'new', ...event })).json;
      assert.deepEqual((await send({ type: 'feedback', rating: 'up' })).dropped, { consent_missing: 1 });
      await send({ type: 'consent', purpose: 'analytics', state: 'granted' });
      assert.deepEqual((await send({ type: 'feedback', rating: 'up' })).dropped, { not_attested: 1 });
      assert.equal((await send(turn('new'))).stored, 1);
      assert.equal((await held(strict, 'new')).spend.length, 0);
      assert.equal((await send({ type: 'feedback', rating: 'up', age_13_plus: true })).stored, 1);
      assert.equal((await send({ ...turn('new'), ts: new Date().toISOString() })).stored, 1);
      assert.equal((await held(strict, 'new')).spend.length, 1);
      assert.equal(await spend(strict), 2 * TURN_NANO_USD);
    } finally {
      await strict.stop();
    }
  });
});
