// @ts-check
/**
 * OTLP traces from real exporters, as their registries have them: OpenTelemetry's Python SDK, OpenLIT over the packages of OpenAI
 * and Anthropic, the Vercel AI SDK. Each call of a model is one turn, at its price, and what was said is nowhere.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { INGEST_KEY, PUBLIC_KEY, ROOT, python, startSage, until } from '../lib/sage.mjs';
import { scanFolder, scanner } from '../lib/scan.mjs';
import { NANO_USD, startModels } from '../sdk/model-server.mjs';

/** In every prompt, reply, span name, event and id of the person. */
const SAID = 'Zanzibarquokka7731';
const DAY_NS = 86_400_000_000_000n;

/** Runs a driver in JavaScript with JSON out. @param {string} script Under tests/. @param {string[]} args @returns {Promise<any>} */
function node(script, args) {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [join(ROOT, 'tests', script), ...args], { timeout: 120_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${script}: ${stderr.slice(-2000) || error.message}`));
      else resolve(JSON.parse(stdout.trim().split('\n').pop() ?? ''));
    });
  });
}

/** A span as JSON. @param {Record<string, string | number | boolean>} attributes @param {Record<string, unknown>} [over] */
function span(attributes, over = {}) {
  const now = BigInt(Date.now()) * 1_000_000n;
  const value = (/** @type {unknown} */ of) => (typeof of === 'string' ? { stringValue: of } : typeof of === 'boolean' ? { boolValue: of } : { intValue: String(of) });
  return {
    traceId: crypto.randomUUID().replaceAll('-', ''), spanId: crypto.randomUUID().replaceAll('-', '').slice(0, 16), name: SAID, kind: 3,
    startTimeUnixNano: String(now - 2_000_000_000n), endTimeUnixNano: String(now - 1_000_000_000n),
    attributes: Object.entries(attributes).map(([key, of]) => ({ key, value: value(of) })), ...over,
  };
}

const chat = (over = {}) => ({
  'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'openai', 'gen_ai.request.model': 'gpt-4o', 'gen_ai.usage.input_tokens': 1200,
  'gen_ai.usage.output_tokens': 340, 'gen_ai.usage.cache_read.input_tokens': 200, 'gen_ai.input.messages': SAID, 'user.id': SAID, ...over,
});
const request = (/** @type {unknown[]} */ ...spans) => JSON.stringify({ resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ scope: { name: 'test' }, spans }] }] });

describe('traces', { timeout: 240_000 }, () => {
  /** @type {import('../lib/sage.mjs').Sage} */
  let sage;
  /** @type {Awaited<ReturnType<typeof startModels>>} */
  let models;
  /** @type {string} */
  let persist;
  /** Replies of Sage's. @type {string[]} */
  const replies = [];
  const so_far = { turns: 0, nano_usd: 0 };

  before(async () => {
    persist = await mkdtemp(join(tmpdir(), 'sage-otlp-'));
    [models, sage] = await Promise.all([startModels(SAID), startSage({ persist })]);
  });
  after(async () => {
    await sage?.stop();
    await models?.close();
    await rm(persist, { recursive: true, force: true });
  });

  /** @param {string | Uint8Array} body @param {Record<string, string>} [headers] */
  async function post(body, headers = {}) {
    const reply = await sage.request('/sage/v1/traces', { method: 'POST', body: /** @type {any} */ (body), headers: { authorization: `Bearer ${INGEST_KEY}`, 'content-type': 'application/json', ...headers } });
    replies.push(reply.text);
    return reply;
  }

  /**
   * What has come in since the last time is so many turns at so much.
   * @param {number} turns @param {number} nano_usd
   */
  async function added(turns, nano_usd) {
    so_far.turns += turns;
    so_far.nano_usd += nano_usd;
    const { cost, usage, operations } = await until(`${so_far.turns} turns`, async () => {
      const { panels } = await sage.sage();
      return panels.usage.turns.value >= so_far.turns && panels;
    });
    assert.equal(usage.turns.value, so_far.turns);
    assert.equal(cost.spend.value, so_far.nano_usd);
    return { cost, usage, operations };
  }

  for (const compression of ['none', 'gzip']) {
    test(`OpenTelemetry's Python SDK, protobuf, compression ${compression}`, async () => {
      const { cost: before } = (await sage.sage()).panels;
      const results = await python('sdk/otel_spans.py', [sage.url, INGEST_KEY, compression, SAID, '300']);
      assert.ok(results.length > 0 && results.every((/** @type {string} */ result) => result === 'SUCCESS'), String(results));
      const { cost, usage } = await added(300, 300 * NANO_USD.openai);
      assert.equal(cost.tokens.input.value - before.tokens.input.value, 300 * 1200);
      assert.equal(cost.tokens.output.value - before.tokens.output.value, 300 * 340);
      assert.equal(cost.tokens.cache_read.value - before.tokens.cache_read.value, 300 * 200);
      assert.equal(usage.dau.value, 5);
    });
  }

  test('OpenLIT over openai and anthropic, streams and an error among them', async () => {
    const { cost: before } = (await sage.sage()).panels;
    await python('sdk/openlit_app.py', [sage.url, INGEST_KEY, models.url, SAID]);
    const { cost } = await added(7, 3 * NANO_USD.openai + NANO_USD.embedding + 2 * NANO_USD.anthropic);
    assert.equal(cost.tokens.input.value - before.tokens.input.value, 3 * 1200 + 1000 + 2 * 420);
    assert.equal(cost.tokens.cache_write.value - before.tokens.cache_write.value, 2 * 20);
  });

  for (const encoding of ['json', 'protobuf']) {
    for (const integration of ['current', 'legacy']) {
      test(`the Vercel AI SDK, ${integration} telemetry as ${encoding}`, async () => {
        const failures = await node('sdk/ai-sdk.mjs', [sage.url, INGEST_KEY, models.url, SAID, encoding, integration]);
        assert.deepEqual(failures, []);
        await added(6, 4 * NANO_USD.openai + NANO_USD.embedding);
      });
    }
  }

  test('a batch sent again counts once', async () => {
    const body = request(span(chat()), span(chat()), span({ 'http.request.method': 'POST' }));
    for (const [sent, headers] of /** @type {[string | Uint8Array, Record<string, string>][]} */ ([[body, {}], [body, {}], [gzipSync(body), { 'content-encoding': 'gzip' }]])) {
      const reply = await post(sent, headers);
      assert.deepEqual([reply.status, reply.headers.get('content-type'), reply.json], [200, 'application/json', {}]);
    }
    await added(2, 2 * NANO_USD.openai);
  });

  test('spans that cannot be right are told, the others are kept', async () => {
    const good = span(chat());
    const late = String(BigInt(Date.now()) * 1_000_000n + DAY_NS);
    const reply = await post(request(span(chat({ 'gen_ai.usage.input_tokens': -1 })), good, span(chat(), { traceId: SAID }), span(chat(), { startTimeUnixNano: late })));
    assert.equal(reply.status, 200, reply.text);
    assert.equal(reply.json.partialSuccess.rejectedSpans, '3');
    assert.match(reply.json.partialSuccess.errorMessage, /gen_ai\.usage\.input_tokens: must be.*trace_id: must be.*ts: lies more than 5 minutes in the future/);
    const { operations } = await added(1, NANO_USD.openai);
    assert.equal(operations.intake.dead_lettered.value, 3);
  });

  test('what is refused, and how', async () => {
    const body = request(span(chat()));
    const protobuf = { 'content-type': 'application/x-protobuf' };
    for (const [status, sent, headers] of /** @type {[number, string, Record<string, string>][]} */ ([
      [401, body, { authorization: 'Bearer wrong' }], [401, body, { authorization: '' }], [401, body, { authorization: `Bearer ${PUBLIC_KEY}` }],
      [415, body, { 'content-type': 'text/plain' }], [415, body, { 'content-encoding': 'br' }], [400, SAID, {}], [400, SAID, protobuf], [400, SAID, { 'content-encoding': 'gzip' }],
      [413, ' '.repeat((8 << 20) + 1), {}], [413, ' '.repeat((1 << 20) + 1), { 'content-encoding': 'gzip' }],
    ])) {
      const reply = await post(sent, headers);
      assert.equal(reply.status, status, `${JSON.stringify(headers)}: ${reply.text}`);
      const kind = headers['content-type'] === protobuf['content-type'] ? 'application/x-protobuf' : 'application/problem+json';
      assert.equal(reply.headers.get('content-type'), kind);
    }
    assert.equal((await sage.request('/sage/v1/traces')).status, 405);
    const large = await post(request(span(chat({ 'gen_ai.output.messages': 'x'.repeat(4 << 20) }))));
    assert.equal(large.status, 200, 'content is sent uncompressed by default');
    await added(1, NANO_USD.openai);
    const unset = await startSage({ secrets: { SAGE_UID_SALT: undefined } });
    try {
      const reply = await unset.request('/sage/v1/traces', { method: 'POST', body, headers: { authorization: `Bearer ${INGEST_KEY}`, 'content-type': 'application/json' } });
      assert.equal(reply.status, 503);
      assert.ok(Number(reply.headers.get('retry-after')) > 0);
    } finally {
      await unset.stop();
    }
  });

  test('what was said is in nothing that was stored, logged or answered', async () => {
    replies.push(JSON.stringify(await sage.sage()));
    await until('Bronze', async () => (await sage.sage('panel=operations')).panels.operations.lake.bronze_lag.value === 0, { ms: 120_000, everyMs: 500 });
    await sage.stop();
    const scan = scanner([SAID, INGEST_KEY]);
    const { found, kinds } = await scanFolder(persist, scan);
    assert.deepEqual([...found, ...replies.flatMap((reply) => scan(reply, 'a reply')), ...scan(sage.log(), 'the log')].slice(0, 5), []);
    assert.ok(kinds.sqlite >= 2 && kinds.gzip > 0, JSON.stringify(kinds));
  });
});
