// @ts-check
/**
 * The providers' own packages, as their registries have them, with nothing changed but the base URL: what they give is what they
 * give without Sage, and every call is a turn at the reference package's price.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { SECRET, startProvider } from '../lib/provider.mjs';
import { PYTHON, ROOT, python, startSage, until } from '../lib/sage.mjs';
import { scanFolder, scanner } from '../lib/scan.mjs';
import { bronze } from '../sdk/gateway_bronze.mjs';

const SAID = 'prompt-secret-91e7';
const KEY = 'sk-caller-key-4471';
/** Nothing listens there. */
const DEAD = 'http://127.0.0.1:1';
/** What belongs to a connection and not to a reply. */
const OF_CONNECTION = ['date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'content-encoding'];
/** What a provider may see otherwise through Sage. Cookies could be those of the app that stands behind the same host. */
const OF_HOP = ['host', 'connection', 'accept-encoding', 'content-length', 'cookie'];

/** @typedef {import('../lib/provider.mjs').Seen} Seen */
/** @typedef {{ script: string, provider: string, calls: number, turns: number }} Sdk */
/** `calls`: what the app asks for; `turns`: of them and of what the package sends again by itself, those that run a model. @type {Record<string, Sdk>} */
const SDKS = {
  'openai-python': { script: 'gateway_openai.py', provider: 'openai', calls: 38, turns: 46 },
  'anthropic-python': { script: 'gateway_anthropic.py', provider: 'anthropic', calls: 22, turns: 30 },
  'openai-javascript': { script: 'gateway_openai.mjs', provider: 'openai', calls: 30, turns: 36 },
  'vercel-ai-sdk': { script: 'gateway_ai_sdk.mjs', provider: 'openai', calls: 11, turns: 15 },
};
const names = Object.keys(SDKS);
const sum = (/** @type {number[]} */ numbers) => numbers.reduce((total, number) => total + number, 0);
/** @template T, K @param {T[]} items @param {(item: T) => K} key @returns {Map<K, T[]>} */
const grouped = (items, key) => Map.groupBy(items, key);

/** @param {string} name @param {Record<string, string>} bases @param {object} [more] @returns {Promise<Record<string, Record<string, any>>>} */
function drive(name, bases, more = {}) {
  const { script } = /** @type {Sdk} */ (SDKS[name]);
  const headers = { 'Sage-User': `person-of-${name}`, 'Sage-Session': `visit-of-${name}`, 'Sage-Conversation': `talk-of-${name}`, 'Sage-Feature': name };
  const given = JSON.stringify({ bases, headers, key: KEY, said: `${SAID} by ${name}`, ...more });
  return new Promise((resolve, reject) => {
    const command = script.endsWith('.py') ? PYTHON : process.execPath;
    execFile(command, [join(ROOT, 'tests/sdk', script), given], { timeout: 60_000, maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${script}: ${stderr.slice(-2_000) || error.message}`));
      else resolve(withoutConnection(JSON.parse(stdout)));
    });
  });
}

/** The same without the headers of connections. @param {any} value @returns {any} */
const withoutConnection = (value) => JSON.parse(JSON.stringify(value), (key, of) =>
  key === 'headers' && Array.isArray(of) ? of.filter(([name]) => !OF_CONNECTION.includes(name)) : of);

/** A request as the provider sees it, but for its hop. @param {Seen} seen */
function request({ method, url, headers, body }) {
  const kept = Object.entries(headers).filter(([name]) => !OF_HOP.includes(name) && !name.startsWith('sage-') && !name.startsWith('cf-'));
  // The only thing that Sage adds to what a caller asks.
  const asked = url.endsWith('/chat/completions') ? body.replace(/,?"stream_options": ?\{[^}]*\}/, '') : body;
  return JSON.stringify([method, url, Object.fromEntries(kept.sort()), asked]);
}

describe('unmodified SDKs', { timeout: 180_000 }, () => {
  /** @type {Awaited<ReturnType<typeof startProvider>>} */ let provider;
  /** @type {import('../lib/sage.mjs').Sage} */ let sage;
  /** Straight at the provider; by the SDK that asked. @type {Map<string, Seen[]>} */ let straight;
  /** Expected amounts by what a reply told. @type {Map<string, number>} */
  const prices = new Map();
  /** @type {any[]} */ let stored;

  before(async () => {
    provider = await startProvider();
    const providers = { openai: { base_url: provider.url }, anthropic: { base_url: provider.url }, dead: { base_url: DEAD, prices: 'openai' } };
    sage = await startSage({ settings: { gateway: { providers } } });
  });
  after(async () => {
    await sage?.stop();
    await provider?.close();
  });

  const told = (/** @type {Seen} */ seen) => seen.reply.told && JSON.stringify({ provider: seen.url.includes('/messages') ? 'anthropic' : 'openai', ...seen.reply.told });
  const runsModel = (/** @type {Seen} */ { method, url }) => method === 'POST' && !url.endsWith('/count_tokens');
  /** The turn that a request straight to the provider would be. @param {Seen} seen */
  function expected(seen) {
    const { status, breaksOff, body } = seen.reply;
    const usage = told(seen);
    const error = status >= 400 ? JSON.parse(String(body)).error : undefined;
    return JSON.stringify({
      feature: seen.headers['sage-feature'], turn_index: Number(seen.headers['sage-turn']), status: error || breaksOff ? 'error' : 'ok', error_code: error?.code ?? error?.type ?? null,
      cost: usage ? prices.get(usage) : error ? 'not_billed' : 'usage_missing', partial: Boolean(breaksOff),
    });
  }

  for (const name of names) {
    test(`${name}: objects, bytes, headers and errors are the provider's`, async (t) => {
      const { provider: slug, calls, turns } = /** @type {Sdk} */ (SDKS[name]);
      const began = provider.seen.length;
      const found = await drive(name, { straight: provider.url, through: `${sage.url}/sage/llm/${slug}` });
      assert.equal(Object.keys(found.straight ?? {}).length, calls);
      for (const [call, gave] of Object.entries(found.straight ?? {})) assert.deepEqual(found.through?.[call], gave, call);
      const seen = provider.seen.slice(began);
      const [told, passed] = [seen.filter(({ headers }) => headers['sage-feature']), seen.filter(({ headers }) => !headers['sage-feature'])];
      assert.deepEqual(passed.map(request).sort(), told.map(request).sort(), 'requests that the provider sees');
      assert.ok(passed.every(({ headers }) => headers.authorization === `Bearer ${KEY}` || headers['x-api-key'] === KEY));
      assert.equal(told.filter(runsModel).length, turns);
      t.diagnostic(`${calls} calls, ${told.length} requests, ${turns} turns`);
    });
  }

  test('errors, broken streams and repeated calls are among them', async () => {
    straight = grouped(provider.seen.filter(({ headers }) => headers['sage-feature']), ({ headers }) => String(headers['sage-feature']));
    for (const name of names) {
      const seen = (straight.get(name) ?? []).filter(runsModel);
      for (const status of [200, 401, 429, 500]) assert.ok(seen.some(({ reply }) => reply.status === status), `${name}: ${status}`);
      assert.ok(seen.some(({ reply }) => reply.breaksOff), name);
      const attempts = grouped(seen.filter(({ body }) => body.includes('"error-429')), ({ headers }) => headers['sage-turn']);
      assert.deepEqual([...attempts.values()].map((tries) => tries.length), [3], `${name} sends again by itself`);
    }
  });

  test('a provider that is not there is a 502 of which the SDKs tell the reason', async () => {
    for (const [name, call] of [['openai-python', 'chat'], ['openai-javascript', 'chat'], ['anthropic-python', 'messages']]) {
      const found = await drive(String(name), { dead: `${sage.url}/sage/llm/dead` }, { only: call, retries: 0 });
      const gave = found.dead?.[String(call)];
      assert.deepEqual([gave.error, gave.status], ['InternalServerError', 502], JSON.stringify(gave));
      assert.match(gave.message, /the model provider could not be reached/);
    }
  });

  test('costs are the reference package\'s, summed by model, feature, person and session', async (t) => {
    const turns = [...straight.values()].flat().filter(runsModel);
    const distinct = [...new Set(turns.map(told).filter((line) => line !== undefined))];
    const folder = await mkdtemp(join(tmpdir(), 'sage-prices-'));
    try {
      const ts = new Date().toISOString();
      const lines = distinct.map((line) => JSON.stringify({ ...JSON.parse(line), ts }));
      await writeFile(join(folder, 'told'), lines.join('\n'));
      /** @type {number[]} */
      const amounts = await python('sdk/gateway_prices.py', [join(folder, 'told')]);
      amounts.forEach((amount, n) => prices.set(distinct[n] ?? '', amount));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    const price = (/** @type {Seen} */ seen) => prices.get(told(seen) ?? '') ?? 0;
    const whole = sum(turns.map(price));
    const all = turns.length + 3;
    const { cost, usage, operations } = await until(`${all} turns`, async () => {
      const { panels } = await sage.sage();
      return panels.usage.turns.value >= all && panels;
    });
    assert.equal(usage.turns.value, all);
    assert.equal(cost.spend.value, whole);
    const failed = turns.filter(({ reply }) => reply.status >= 400).length + 3;
    assert.equal(cost.not_billed.value, failed);
    assert.equal(cost.unpriced.turns.value, 0);
    // Chat streams tell their usage last: of one that broke off none is known.
    assert.equal(cost.usage_missing.value, turns.filter(({ reply }) => reply.breaksOff && !reply.told).length);

    const perSdk = names.map((name) => sum((straight.get(name) ?? []).filter(runsModel).map(price)));
    assert.deepEqual(Object.fromEntries(cost.spend_by_feature.map((/** @type {any} */ row) => [row.bucket, row.value])), Object.fromEntries(names.map((name, n) => [name, perSdk[n]])));
    const perModel = grouped(turns, (seen) => seen.reply.told?.body.model);
    const rows = grouped(cost.spend_by_model.filter((/** @type {any} */ row) => row.value), (/** @type {any} */ row) => row.bucket);
    const models = ['claude-sonnet-4-5', 'gpt-4o', 'text-embedding-3-small'];
    assert.deepEqual([...rows.keys()].sort(), models);
    for (const model of models) assert.deepEqual(rows.get(model)?.map((row) => row.value), [sum((perModel.get(model) ?? []).map(price))], model);
    const sorted = [...perSdk].sort((a, b) => b - a);
    assert.deepEqual(cost.top_users.map((/** @type {any} */ row) => row.value), sorted);
    assert.deepEqual([usage.users.value, usage.sessions.value], [names.length, names.length]);
    const { max, median, mean } = cost.per_session;
    assert.deepEqual([max.value, median.value, mean.value], [sorted[0], sorted[2], Math.round(whole / names.length)]);
    assert.deepEqual([operations.intake.stored.value, operations.intake.duplicate.value, operations.intake.dead_lettered.value, operations.intake.dropped.value], [all, 0, 0, 0]);
    t.diagnostic(`${all} turns, $${(whole / 1e9).toFixed(9)}, ${failed} failed, ${distinct.length} distinct prices`);
  });

  test('in Bronze every attempt is a turn of its own, with its price, its error and how long it took', async () => {
    stored = await bronze(sage);
    const turns = stored.map(({ body }) => body.turn);
    const unreachable = turns.filter((turn) => turn.error_code === 'unreachable');
    assert.deepEqual(unreachable.map((turn) => [turn.status, turn.cost.unpriced]), Array(3).fill(['error', 'not_billed']));
    const found = turns.filter((turn) => turn.error_code !== 'unreachable').map((turn) => JSON.stringify({
      feature: turn.feature, turn_index: turn.turn_index, status: turn.status, error_code: turn.error_code ?? null, cost: turn.cost.nano_usd ?? turn.cost.unpriced, partial: turn.partial ?? false,
    }));
    assert.deepEqual(found.sort(), [...straight.values()].flat().filter(runsModel).map(expected).sort());
    assert.ok(turns.every((turn) => Number.isInteger(turn.latency_ms)));
    for (const event of stored) {
      assert.ok(event.user && event.session && event.conversation && event.source === 'gateway');
      const { cost } = event.body.turn;
      if ('nano_usd' in cost) assert.equal(sum(cost.units.map((/** @type {any} */ unit) => unit.nano_usd)), cost.nano_usd);
      if ('nano_usd' in cost) assert.equal(cost.provenance, 'provider_reported');
    }
    const tiers = turns.filter((turn) => turn.price_context?.service_tier === 'priority');
    assert.equal(tiers.length, 2);
  });

  test('nothing of what was said, of who asked or of a key is stored, logged or answered', async () => {
    const scan = scanner([SAID, SECRET, KEY, 'person-of-', 'visit-of-', 'talk-of-']);
    const { found, kinds } = await scanFolder(sage.persist, scan);
    assert.deepEqual(found.slice(0, 5), []);
    assert.ok(kinds.sqlite >= 2 && kinds.parquet > 0, JSON.stringify(kinds));
    assert.deepEqual(scan(sage.log(), 'the log'), []);
    assert.deepEqual(scan(JSON.stringify(await sage.sage()), '/sage'), []);
  });
});
