// @ts-check
/**
 * A secret in every field, of every request and every reply, of every API that the gateway reads; in errors, headers, addresses
 * and names of members. It passes, byte for byte, and is in nothing that Sage writes, logs or answers.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { awsFrame, startProvider } from '../lib/provider.mjs';
import { ADMIN_TOKEN, startSage, until } from '../lib/sage.mjs';
import { scanFolder, scanner } from '../lib/scan.mjs';
import { bronze } from '../sdk/gateway_bronze.mjs';
import { ERRORS, SHAPES } from '../sdk/gateway_shapes.mjs';

/** @typedef {import('../sdk/gateway_shapes.mjs').Shape} Shape */
/** @typedef {(string | number)[]} Path */

/** In every secret. */
const STEM = 'zanzibarquokka';
const AT_ONCE = 8;

/**
 * What may stand in a field: a sentence, an address, a key, and a word that could be the name of a model.
 * @type {Record<string, (n: number) => string>}
 */
const FORMS = {
  sentence: (n) => `${STEM} ${n} said hello`,
  address: (n) => `${STEM}.${n}@example.com`,
  key: (n) => `sk-proj-${STEM}${n}`,
  word: (n) => `${STEM}-${n}`,
};
/** Where the provider's or the operator's own words stand, which are kept where they are words. */
const WORDS_KEPT = [
  'ask model', 'path model', 'header sage-feature', 'header sage-plan', 'refusal error', 'refusal error.code', 'refusal error.status', 'refusal error.type', 'refusal code', 'refusal __type',
  // Of a stream that ends in an error; of others the name that has a price is kept, which is here the asked one.
  'refusal model', 'refusal message.model',
];

/** Every text in a value, and every object, by its path. @param {any} value @param {Path} [path] @returns {Generator<{ path: Path, member: boolean }>} */
function* places(value, path = []) {
  if (typeof value === 'string') yield { path, member: false };
  if (value === null || typeof value !== 'object') return;
  if (!Array.isArray(value)) yield { path, member: true };
  for (const [name, inner] of Object.entries(value)) yield* places(inner, [...path, Array.isArray(value) ? Number(name) : name]);
}

/** The value with a text at a place. @param {any} value @param {{ path: Path, member: boolean }} place @param {string} text @returns {any} */
function planted(value, { path, member }, text) {
  const [at, ...rest] = path;
  if (at === undefined) return member ? { ...value, [text]: text } : text;
  const copy = Array.isArray(value) ? [...value] : { ...value };
  copy[at] = planted(copy[at], { path: rest, member }, text);
  return copy;
}

/** @param {Shape} shape @returns {import('../lib/provider.mjs').Answer} */
function answer({ form, reply, status = 200 }) {
  const headed = (/** @type {string} */ type) => ({ 'content-type': type });
  switch (form) {
    case 'json': return { status, headers: headed('application/json'), body: JSON.stringify(reply) };
    case 'text': return { status, headers: headed('text/html'), body: String(reply) };
    case 'array': return { status, headers: headed('application/json'), chunks: reply.map((/** @type {any} */ part, /** @type {number} */ n) => (n ? ',\r\n' : '[') + JSON.stringify(part) + (n === reply.length - 1 ? ']' : '')) };
    case 'sse': return { status, headers: headed('text/event-stream'), chunks: reply.map((/** @type {any} */ data) => `${data.type ? `event: ${data.type}\n` : ''}data: ${JSON.stringify(data)}\n\n`) };
    case 'aws': return {
      status, headers: headed('application/vnd.amazon.eventstream'),
      chunks: reply.map((/** @type {[string, any]} */ [type, data]) => awsFrame(type.startsWith('exception:')
        ? { ':exception-type': type.slice(10), ':content-type': 'application/json', ':message-type': 'exception' }
        : { ':event-type': type, ':content-type': 'application/json', ':message-type': 'event' }, JSON.stringify(data))),
    };
  }
}

/** @typedef {{ where: string, shape: Shape, headers?: Record<string, string>, reply_headers?: Record<string, string>, path?: string }} Call */

const HEADERS = [
  'authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'openai-organization', 'openai-project', 'anthropic-beta', 'user-agent', 'cookie', 'referer', 'x-title', 'accept-language', 'x-stainless-lang', 'idempotency-key', 'traceparent', 'baggage',
  'x-forwarded-for', 'x-real-ip', 'forwarded', 'via', 'sage-user', 'sage-session', 'sage-conversation', 'sage-feature', 'sage-plan', 'sage-country', 'sage-turn', 'sage-guest', 'sage-opt-out', 'sage-key', 'sage-unheard-of', 'x-amz-security-token', 'x-amz-date',
];
const REPLY_HEADERS = ['x-request-id', 'set-cookie', 'openai-organization', 'location', 'server', 'www-authenticate', 'x-amzn-requestid', 'x-amzn-errortype', 'retry-after'];
/** Fields that say how the others are to be read: what stands in one of them is planted alone. */
const STRUCTURE = [
  'model', 'modelVersion', 'service_tier', 'code', 'type', 'status', 'error', '__type', 'object', 'role', 'event', 'finish_reason', 'finishReason', 'stop_reason', 'stopReason', 'id', 'responseId', 'response_id', 'generation_id', 'trafficType', 'modality', 'encoding_format', 'stop_sequence', 'blockReason', 'x_groq', 'provider',
];

/** Calls with secrets in them, and where each secret is. */
function plan() {
  /** @type {Map<string, string>} */
  const secrets = new Map();
  /** @type {Call[]} */
  const calls = [];
  /** @param {string} form @param {string} where */
  const secret = (form, where) => {
    const text = FORMS[form]?.(secrets.size) ?? '';
    secrets.set(text, `${form} in ${where}`);
    return text;
  };
  /** @param {string} form @param {string} where @param {(text: string) => Omit<Call, 'where'>} call */
  const add = (form, where, call) => calls.push({ where: `${form} in ${where}`, ...call(secret(form, where)) });
  const named = (/** @type {string} */ like) => /** @type {Shape} */ (SHAPES.find(({ name }) => name === like));
  for (const form of Object.keys(FORMS)) {
    for (const shape of [...SHAPES, ...ERRORS]) {
      // What is asked and what is replied are read apart: each call has a secret in either.
      /** @type {Shape[]} */
      const single = [];
      for (const side of /** @type {const} */ (['ask', 'reply'])) {
        let [all, next] = [shape, 0];
        for (const place of places(shape[side])) {
          const path = place.path.filter((part) => typeof part === 'string').join('.') || 'body';
          const where = `${shape.name}, ${side === 'reply' && ERRORS.includes(shape) ? 'refusal' : side} ${place.member ? `a name in ${path}` : path}`;
          const text = secret(form, where);
          // Sentences one by one, so that all else is as it should be; the other forms together where no other field depends on them.
          if (form === 'sentence' || (!place.member && STRUCTURE.includes(String(place.path.at(-1))))) {
            single[next] = { ...(single[next] ?? shape), [side]: planted(shape[side], place, text) };
            next++;
          } else all = { ...all, [side]: planted(all[side], place, text) };
        }
        if (all !== shape) calls.push({ where: `${form}, ${shape.name}, all of ${side}`, shape: all });
      }
      calls.push(...single.map((one, n) => ({ where: `${form}, ${shape.name}, ${n}`, shape: one })));
    }
    const shape = named('chat');
    for (const name of HEADERS) add(form, `header ${name}`, (text) => ({ shape, headers: { [name]: text } }));
    add(form, 'header content-type', (text) => ({ shape, headers: { 'content-type': `application/json; note="${text}"` } }));
    for (const name of REPLY_HEADERS) {
      for (const status of [200, 401]) add(form, `reply header ${name}`, (text) => ({ shape: { ...shape, status }, reply_headers: { [name]: text } }));
    }
    add(form, 'reply header content-type', (text) => ({ shape, reply_headers: { 'content-type': `application/json; note="${text}"` } }));
    const safe = encodeURIComponent;
    add(form, 'query', (text) => ({ shape, path: `${shape.path}?key=${safe(text)}&api-version=${safe(text)}` }));
    add(form, 'path model', (text) => ({ shape: named('gemini'), path: `google/v1beta/models/${safe(text)}:generateContent` }));
    add(form, 'path model', (text) => ({ shape: named('converse'), path: `bedrock/model/${safe(text)}/converse` }));
    add(form, 'path', (text) => ({ shape, path: `openai/v1/${safe(text)}/chat/completions` }));
    add(form, 'unread path', (text) => ({ shape, path: `openai/v1/files/${safe(text)}` }));
    add(form, 'name of a provider', (text) => ({ shape, path: `${safe(text)}/v1/chat/completions` }));
    add(form, 'place of a body', (text) => ({ shape: { ...shape, ask: text } }));
  }
  return { secrets, calls };
}

describe('planted secrets', { timeout: 180_000 }, () => {
  const { secrets, calls } = plan();
  /** @type {Awaited<ReturnType<typeof startProvider>>} */ let provider;
  /** @type {import('../lib/sage.mjs').Sage} */ let sage;
  /** Turns that must be there. */
  let turns = 0;

  before(async () => {
    provider = await startProvider({
      own: ({ headers }) => {
        const call = calls[Number(headers['x-call'])];
        if (!call) return undefined;
        const said = answer(call.shape);
        return { ...said, headers: { ...said.headers, ...call.reply_headers } };
      },
    });
    const slugs = new Set(SHAPES.map(({ path }) => path.split('/')[0] ?? ''));
    sage = await startSage({ shards: 2, settings: { gateway: { providers: Object.fromEntries([...slugs].map((slug) => [slug, { base_url: provider.url }])) } } });
  });
  after(async () => {
    await sage?.stop();
    await provider?.close();
  });

  test('what is planted passes, byte for byte', async (t) => {
    const pending = calls.map((call, n) => ({ call, n }));
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let next = pending.pop(); next; next = pending.pop()) {
        const { call: { where, shape, headers, path = shape.path }, n } = next;
        const response = await fetch(`${sage.url}/sage/llm/${path}`, {
          method: 'POST', redirect: 'manual', body: JSON.stringify(shape.ask), headers: { 'content-type': 'application/json', authorization: 'Bearer k', 'x-call': String(n), ...headers },
        });
        const bytes = Buffer.from(await response.arrayBuffer());
        if (where.includes('name of a provider')) {
          assert.equal(response.status, 404, where);
          assert.ok(!bytes.includes(STEM), where);
          continue;
        }
        const said = answer(shape.hides ? { ...shape, reply: shape.reply.filter((/** @type {any} */ chunk) => chunk.choices.length).map((/** @type {any} */ { usage: _, ...chunk }) => chunk) } : shape);
        const sent = said.chunks ? Buffer.concat(said.chunks.map((chunk) => Buffer.from(chunk))) : Buffer.from(said.body ?? '');
        assert.equal(response.status, said.status, where);
        assert.ok(bytes.equals(sent), `${where}: ${bytes.toString().slice(0, 300)}`);
        if (!where.includes('unread path')) turns++;
      }
    }));
    t.diagnostic(`${secrets.size} secrets in ${calls.length} calls, ${turns} turns, ${SHAPES.length} kinds of calls, ${ERRORS.length} of errors`);
  });

  test('every call is a turn all the same', async () => {
    const { usage, operations } = await until('all turns', async () => {
      const { panels } = await sage.sage();
      return panels.usage.turns.value >= turns && panels;
    }, { ms: 30_000 });
    assert.equal(usage.turns.value, turns);
    assert.deepEqual([operations.intake.dropped.value, operations.intake.dead_lettered.value], [0, 0]);
  });

  test('and is in nothing that is written, logged or answered, but for names of models, errors, features and plans', async (t) => {
    const events = await bronze(sage);
    assert.equal(events.length, turns);
    const read = events.filter(({ body }) => body.turn.usage).length;
    assert.ok(read > turns / 2, `of ${turns} turns the usage of ${read} was read`);
    t.diagnostic(`the usage of ${read} was read`);
    const scan = scanner(secrets.keys());
    const stored = await scanFolder(sage.persist, scan);
    const admin = { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } };
    const answered = await Promise.all(['/sage', '/sage?panel=cost&format=csv', '/sage?panel=operations&format=csv', '/safety/transparency', '/sage/healthz'].map(async (path) => scan((await sage.request(path, admin)).text, path)));
    const found = [...stored.found, ...scan(sage.log(), 'the log'), ...scan(JSON.stringify(events), 'Bronze'), ...answered.flat()];
    const place = (/** @type {{ secret: string }} */ { secret }) => secrets.get(secret) ?? '';
    const kept = (/** @type {{ secret: string }} */ one) => (place(one).startsWith('word in ') ? place(one).replace(/^word in (.*, )?/, '') : undefined);
    const unwanted = found.filter((one) => !WORDS_KEPT.includes(kept(one) ?? ''));
    assert.deepEqual([...new Set(unwanted.map((one) => `${place(one)}, found in ${one.where}`))].slice(0, 20), []);
    assert.deepEqual([...new Set(found.map(kept))].sort(), [...WORDS_KEPT].sort(), 'what is kept on purpose is found, so what is not would be');
    assert.ok(stored.kinds.sqlite >= 3 && stored.kinds.parquet > 0, JSON.stringify(stored.kinds));
  });
});
