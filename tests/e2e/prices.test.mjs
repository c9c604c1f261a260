// @ts-check
/**
 * The price of a turn from whatever is known of it: real replies' usage as it came, counts, lengths, nothing; and a price that
 * comes later, which changes no turn but those that had none.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { startProvider } from '../lib/provider.mjs';
import { ADMIN_TOKEN, ROOT, python, startSage, until } from '../lib/sage.mjs';
import { bronze } from '../sdk/gateway_bronze.mjs';

/** @typedef {import('../lib/sage.mjs').Sage} Sage */
/** @typedef {{ provider: string, flavor: string, model: string, usage: object }} Reply */
/** A turn on the wire, and what it must cost; a word where it has no price. @typedef {{ event: Record<string, any>, cost: number | string }} Case */

/** Readings of the real replies that name the reply's own provider and API. */
const READINGS = [
  ['anthropic', 'default'], ['aws', 'anthropic'], ['cerebras', 'chat'], ['deepseek', 'chat'], ['google', 'default'], ['groq', 'default'], ['mistral', 'default'],
  ['openai', 'chat'], ['openai', 'responses'], ['openrouter', 'chat'], ['ovhcloud', 'chat'], ['zhipuai', 'chat'],
];
const openAi = { prompt_tokens: 1200, completion_tokens: 340, total_tokens: 1540, prompt_tokens_details: { cached_tokens: 200 }, completion_tokens_details: { reasoning_tokens: 40 } };
/** APIs that the real replies do not show with a price. @type {Reply[]} */
const OTHERS = [
  { provider: 'aws', flavor: 'default', model: 'anthropic.claude-sonnet-4-5-20250929-v1:0', usage: { inputTokens: 1000, outputTokens: 340, totalTokens: 1840, cacheReadInputTokens: 200, cacheWriteInputTokens: 300 } },
  { provider: 'cohere', flavor: 'default', model: 'command-a', usage: { billed_units: { input_tokens: 1200, output_tokens: 340 }, tokens: { input_tokens: 1300, output_tokens: 345 } } },
  { provider: 'openai', flavor: 'embeddings', model: 'text-embedding-3-small', usage: { prompt_tokens: 1000, total_tokens: 1000 } },
  { provider: 'google', flavor: 'default', model: 'gemini-2.5-pro', usage: { promptTokenCount: 250_000, candidatesTokenCount: 300, thoughtsTokenCount: 40, totalTokenCount: 250_340, cachedContentTokenCount: 200 } },
  ...[['azure', 'o3-mini'], ['x-ai', 'grok-4-0709'], ['fireworks', 'accounts/fireworks/models/deepseek-v3-0324'], ['moonshotai', 'kimi-k2-0905-preview'], ['minimax', 'MiniMax-M2'], ['zai', 'GLM-4.6'], ['perplexity', 'perplexity/sonar']].map(([provider = '', model = '']) => ({
    provider, model, usage: openAi, flavor: provider === 'perplexity' ? 'default' : 'chat',
  })),
];

/** @returns {Promise<Reply[]>} */
async function realReplies() {
  const text = await readFile(new URL('../data/usage_bodies.jsonl', import.meta.url), 'utf8');
  return text.trim().split('\n').map((line) => JSON.parse(line)).flatMap(({ body, extracted }) => {
    const [model, usage] = [body.model ?? body.modelVersion, body.usage ?? body.usageMetadata];
    const read = extracted.flatMap((/** @type {any} */ one) => one.extractors.filter((/** @type {any} */ by) => by.input_price));
    // Bedrock's replies of OpenAI's models are told from Claude's by their details, which the package reads as Claude's.
    const kinds = READINGS.filter(([, flavor]) => flavor !== 'anthropic' || !usage?.input_tokens_details);
    const own = kinds.filter(([provider, flavor]) => read.some((/** @type {any} */ by) => by.provider_id === provider && by.api_flavor === flavor));
    return model && usage ? own.map(([provider = '', flavor = '']) => ({ provider, flavor, model, usage })) : [];
  });
}

/** What replies cost by the reference package. @param {Reply[]} replies @param {string} ts @returns {Promise<number[]>} */
async function priced(replies, ts) {
  const folder = await mkdtemp(join(tmpdir(), 'sage-prices-'));
  try {
    const lines = replies.map(({ provider, flavor, model, usage }) => {
      const block = provider === 'google' ? { modelVersion: model, usageMetadata: usage } : { usage };
      return JSON.stringify({ provider, flavor, ts, body: { model, ...block } });
    });
    await writeFile(join(folder, 'told'), lines.join('\n'));
    return await python('sdk/gateway_prices.py', [join(folder, 'told')]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const SAGE_INSPECT = process.env.SAGE_INSPECT ?? join(ROOT, 'target/release/sage-inspect');

/** What the native command says. @param {string} command @param {object[]} lines @returns {any[]} */
function inspect(command, lines) {
  const input = lines.map((line) => JSON.stringify(line)).join('\n');
  return execFileSync(SAGE_INSPECT, [command], { input, maxBuffer: 64 << 20 }).toString().trim().split('\n').map((line) => JSON.parse(line));
}

const sum = (/** @type {number[]} */ numbers) => numbers.reduce((total, number) => total + number, 0);
const costOf = (/** @type {Case} */ one) => (typeof one.cost === 'number' ? one.cost : 0);

test('a turn costs what is known of it', { timeout: 90_000 }, async (t) => {
  const sage = await startSage({ shards: 2 });
  try {
    const ts = new Date(Date.now() - 60_000).toISOString();
    const replies = [...(await realReplies()), ...OTHERS];
    const amounts = await priced(replies, ts);
    const gpt = { provider: 'openai', model: 'gpt-4o' };
    const canonical = { input_tokens: 1200, output_tokens: 340, cache_read_tokens: 200, cache_write_tokens: 300, cache_write_1h_tokens: 200 };
    /** @type {Case[]} */
    const cases = [
      ...replies.map(({ provider, model, usage }, n) => ({ event: { provider, model, provider_usage: usage }, cost: amounts[n] ?? NaN })),
      { event: { ...gpt, usage: { input_tokens: 1200, output_tokens: 340, cache_read_tokens: 200 } }, cost: 6_150_000 },
      // 700 × 3 + 200 × 0.30 + 100 × 3.75 + 200 × 6 + 340 × 15.
      { event: { provider: 'anthropic', model: 'claude-sonnet-4-5', usage: canonical }, cost: 8_835_000 },
      // Four characters a token: 1,000 × 2.50 + 100 × 10.
      { event: { ...gpt, user_chars: 4_000, assistant_chars: 400 }, cost: 3_500_000 },
      { event: { ...gpt, user_chars: 0, assistant_chars: 0 }, cost: 0 },
      { event: { ...gpt }, cost: 'usage_missing' },
      { event: { ...gpt, user_chars: 4_000 }, cost: 'usage_missing' },
      { event: { ...gpt, provider_usage: null }, cost: 'usage_missing' },
      { event: { ...gpt, provider_usage: {} }, cost: 'usage_missing' },
      { event: { provider: 'openai', model: 'gpt-of-nowhere', usage: canonical }, cost: 'unknown_model' },
      { event: { provider: 'nobody', model: 'nothing-1', usage: canonical }, cost: 'unknown_provider' },
    ];
    const events = cases.map(({ event }, turn_index) => ({ type: 'turn', id: `turn-${turn_index}`, ts, user_id: `u${turn_index % 7}`, turn_index, ...event }));
    const services = [
      // $0.006 a minute, by the second.
      [{ item: 'openai/whisper-1/audio_seconds', quantity: 90 }, 9_000_000], [{ item: 'openai/whisper-1/audio_seconds', quantity: '0.5' }, 50_000], [{ nano_usd: 123_456_789 }, 123_456_789],
    ].map(([how, cost], n) => ({ event: { type: 'service_cost', id: `service-${n}`, ts, service: 'speech_to_text', .../** @type {object} */ (how) }, cost: Number(cost) }));
    const refused = [
      { type: 'service_cost', id: 'r1', ts, service: 'speech_to_text', item: 'no-such-item', quantity: 1 }, { type: 'service_cost', id: 'r2', ts, service: 'speech_to_text', item: 'openai/whisper-1/audio_seconds', quantity: -1 },
      { type: 'turn', id: 'r3', ts, ...gpt, provider_usage: { prompt_tokens: -5 } }, { type: 'turn', id: 'r4', ts, ...gpt, usage: canonical, provider_usage: openAi },
      { type: 'turn', id: 'r5', ts, ...gpt, provider_usage: { prompt_tokens: 'many', completion_tokens: 1 } },
    ];
    const reply = await sage.send([...events, ...services.map(({ event }) => event), ...refused]);
    assert.deepEqual([reply.status, reply.json.stored, reply.json.dead_lettered], [200, events.length + services.length, refused.length], reply.text.slice(0, 500));
    assert.deepEqual(reply.json.errors.map((/** @type {any} */ error) => [error.index - events.length - services.length, error.code, error.detail.split(':')[0]]), [
      [0, 'invalid_value', 'item'], [1, 'invalid_value', 'quantity'], [2, 'invalid_value', 'provider_usage'], [3, 'invalid_value', 'provider_usage'], [4, 'invalid_value', 'provider_usage'],
    ]);

    const { cost, usage } = (await sage.sage()).panels;
    assert.equal(usage.turns.value, events.length);
    assert.equal(cost.spend.value, sum([...cases.map(costOf), ...services.map(({ cost: of }) => of)]));
    assert.equal(cost.spend_by_service.find((/** @type {any} */ row) => row.bucket === 'speech_to_text').value, sum(services.map(({ cost: of }) => of)));
    const count = (/** @type {string} */ word) => cases.filter((one) => one.cost === word).length;
    assert.deepEqual([cost.usage_missing.value, cost.estimated.turns.value, cost.unpriced.turns.value], [count('usage_missing'), 2, 2]);
    assert.deepEqual(cost.unpriced.models.map((/** @type {any} */ row) => [row.provider, row.bucket, row.value, row.tokens, row.reasons]), [
      ['openai', 'gpt-of-nowhere', 1, 1540, { unknown_model: 1 }], ['nobody', 'nothing-1', 1, 1540, { unknown_provider: 1 }],
    ]);

    const stored = await bronze(sage);
    const turns = stored.filter(({ body }) => body.turn).sort((a, b) => a.body.turn.turn_index - b.body.turn.turn_index).map(({ body }) => body.turn);
    for (const [n, one] of cases.entries()) {
      assert.equal(turns[n].cost.nano_usd ?? turns[n].cost.unpriced, one.cost, JSON.stringify(one.event));
      const provenance = one.event.provider_usage ? 'provider_reported' : one.event.usage ? 'computed' : 'estimated';
      if (typeof one.cost === 'number') assert.equal(turns[n].cost.provenance, provenance);
      if (typeof one.cost !== 'number') assert.equal(turns[n].cost.nano_usd, undefined, 'never $0');
    }
    // 5.5 and 1 characters a token: 728 × 2.50 + 73 × 10, and 4,000 × 2.50 + 400 × 10.
    const estimated = turns.find((turn) => turn.user_chars === 4_000 && turn.assistant_chars);
    assert.deepEqual([estimated.cost.range, estimated.usage.input_tokens, estimated.usage.output_tokens], [{ low: 2_550_000, high: 14_000_000 }, 1_000, 100]);
    assert.ok(turns.filter((turn) => turn.cost.unpriced === 'usage_missing').every((turn) => turn.usage === undefined));

    const told = inspect('usage', replies.map(({ provider, usage: body }) => ({ provider, body })));
    const quoted = inspect('price', replies.map(({ provider, model }, n) => ({ provider, model, ts, usage: turns[n].usage })));
    for (const [n, reply] of replies.entries()) {
      assert.deepEqual(told[n].usage, turns[n].usage, `sage-inspect usage, ${JSON.stringify(reply)}`);
      const { nano_usd, price_version, tier, units } = turns[n].cost;
      const said = { ...quoted[n], units: quoted[n].units.map((/** @type {any} */ { exact: _, ...unit }) => unit) };
      assert.deepEqual([said.nano_usd, said.price_version, said.tier, said.units], [nano_usd, price_version, tier, units ?? []], `sage-inspect price, ${JSON.stringify(reply)}`);
    }
    const whisper = stored.find(({ body }) => body.service_cost?.quantity === '90').body.service_cost;
    assert.match(whisper.price_version, /^genai-prices-/);
    t.diagnostic(`${replies.length} replies' own usage, $${(cost.spend.value / 1e9).toFixed(9)}`);
  } finally {
    await sage.stop();
  }
});

describe('a price that comes later', { timeout: 120_000 }, () => {
  const DAY_MS = 86_400_000;
  const usage = { input_tokens: 1_000, output_tokens: 100 };
  /** USD a million: 2 × 1,000 + 8 × 100; from yesterday on. */
  const ACME_NANO_USD = 2_800_000;
  /** The list's gpt-4o but for its output: 1,000 × 2.50 + 200 × 1.25 + 340 × 20. */
  const TUNED_NANO_USD = 9_550_000;
  const yesterday = new Date(Date.now() - DAY_MS).toISOString().slice(0, 10);
  const PRICES = JSON.stringify({ model: [
    { provider: 'acme', model: 'acme-*', from: yesterday, input: '2', output: '8' },
    { provider: 'openai', model: 'ft-tuned', like: 'gpt-4o', output: '20' },
    // What has a price keeps it.
    { provider: 'openai', model: 'gpt-4o', input: '99', output: '99' },
    { provider: 'anthropic', model: '*', input: '99', output: '99' },
  ] });
  const at = (/** @type {number} */ ago) => new Date(Date.now() - ago - 60_000).toISOString();

  /** @type {Awaited<ReturnType<typeof startProvider>>} */ let provider;
  /** @type {Sage} */ let sage;
  /** @type {any} */ let before_prices;
  /** @type {any} */ let repriced;

  before(async () => {
    provider = await startProvider();
    sage = await startSage({ shards: 4, settings: { gateway: { providers: { openai: { base_url: provider.url } } } } });
  });
  after(async () => {
    await sage?.stop();
    await provider?.close();
  });

  /** @param {string} [query] */
  async function reprice(query = '') {
    const reply = await sage.request(`/sage/v1/prices/reprice${query}`, { method: 'POST', headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
    assert.equal(reply.status, 200, reply.text);
    return reply.json;
  }

  /** Everything that money is shown in. */
  async function numbers() {
    const { panels: { cost, usage: use, operations } } = await sage.sage();
    const rows = (/** @type {any[]} */ series) => Object.fromEntries(series.map((row) => [`${row.provider ?? ''} ${row.bucket}`, { value: row.value, n: row.n, output: row.output_tokens, unpriced: row.unpriced_turns }]));
    return {
      spend: cost.spend.value, models: rows(cost.spend_by_model), features: rows(cost.spend_by_feature), users: rows(cost.top_users), days: cost.spend_by_day.map((/** @type {any} */ row) => [row.bucket, row.value]), tokens: cost.tokens,
      unpriced: cost.unpriced, missing: cost.usage_missing.value, repriced: [cost.repriced.turns.value, cost.repriced.spend.value], per_session: cost.per_session, turns: use.turns.value, sessions: use.sessions.value,
      dead: operations.intake.dead_lettered.value,
    };
  }

  test('turns without a price are listed, by every way they came', async () => {
    const turn = (/** @type {number} */ n, /** @type {object} */ more) => ({ type: 'turn', id: `t${n}`, ts: at(0), user_id: `person-${n % 9}`, session_id: `s${n % 9}`, feature: n % 2 ? 'chat' : 'tips', usage, ...more });
    const events = [
      ...Array.from({ length: 30 }, (_, n) => turn(n, { provider: 'acme', model: `acme-${n % 2}` })),
      ...Array.from({ length: 5 }, (_, n) => turn(100 + n, { provider: 'acme', model: 'acme-0', ts: at(3 * DAY_MS) })),
      ...Array.from({ length: 4 }, (_, n) => turn(200 + n, { provider: 'nobody', model: 'nothing-1' })),
      ...Array.from({ length: 10 }, (_, n) => turn(300 + n, { provider: 'openai', model: 'gpt-4o' })),
      turn(400, { provider: 'acme', model: 'acme-0', usage: undefined }), turn(401, { provider: 'acme', model: 'acme-0', user_id: 'quiet', opted_out: true }),
    ];
    assert.equal((await sage.send(events)).json.stored, events.length);
    for (const stream of [false, true]) {
      const reply = await fetch(`${sage.url}/sage/llm/openai/v1/chat/completions`, {
        method: 'POST', headers: { 'content-type': 'application/json', authorization: 'Bearer k', 'sage-user': 'person-1', 'sage-feature': 'tuned' }, body: JSON.stringify({ model: 'ft-tuned', stream, messages: [{ role: 'user', content: 'hello' }] }),
      });
      await reply.text();
    }
    before_prices = await until('all turns', async () => {
      const now = await numbers();
      return now.turns === events.length + 2 && now;
    });
    assert.equal(before_prices.spend, 10 * 3_500_000);
    assert.deepEqual(before_prices.unpriced.models.map((/** @type {any} */ row) => [row.provider, row.bucket, row.value]), [
      ['acme', 'acme-0', 21], ['acme', 'acme-1', 15], ['openai', 'ft-tuned', 2], ['nobody', 'nothing-1', 4],
    ]);
    assert.deepEqual([before_prices.unpriced.turns.value, before_prices.unpriced.kept_for_repricing.value, before_prices.missing], [42, 42, 1]);
  });

  test('the command is an operator\'s', async () => {
    const path = '/sage/v1/prices/reprice';
    assert.equal((await sage.request(path, { method: 'POST' })).status, 401);
    assert.equal((await sage.request(path, { method: 'POST', headers: { authorization: 'Bearer wrong' } })).status, 401);
    assert.equal((await sage.request(path, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })).status, 405);
    const found = await reprice();
    assert.deepEqual([found.repriced, found.unpriced, found.nano_usd, found.more], [0, 42, 0, false]);
    assert.deepEqual(await numbers(), before_prices, 'without a price nothing happens');
  });

  test('it prices the turns that had none, and changes no other', async () => {
    await sage.restart({ secrets: { SAGE_PRICES: PRICES } });
    assert.deepEqual(await numbers(), before_prices, 'a price that comes later changes nothing by itself');
    const tried = await reprice('?dry_run=1');
    const spend = 31 * ACME_NANO_USD + 2 * TUNED_NANO_USD;
    assert.deepEqual([tried.dry_run, tried.repriced, tried.unpriced, tried.nano_usd], [true, 33, 9, spend]);
    assert.deepEqual(tried.models.map((/** @type {any} */ row) => [row.provider, row.model, row.repriced, row.unpriced, row.nano_usd]), [
      ['acme', 'acme-0', 16, 5, 16 * ACME_NANO_USD], ['acme', 'acme-1', 15, 0, 15 * ACME_NANO_USD], ['nobody', 'nothing-1', 0, 4, 0], ['openai', 'ft-tuned', 2, 0, 2 * TUNED_NANO_USD],
    ]);
    assert.deepEqual(await numbers(), before_prices, 'a dry run changes nothing');

    // Two operators at once.
    const done = await Promise.all([reprice(), reprice()]);
    assert.ok(done.every((one) => one.repriced <= 33 && one.nano_usd <= spend));
    repriced = await until('the prices', async () => {
      const now = await numbers();
      return now.repriced[0] === 33 && now;
    });
    assert.deepEqual([repriced.spend, ...repriced.repriced], [before_prices.spend + spend, 33, spend]);
    assert.deepEqual(repriced.unpriced.models.map((/** @type {any} */ row) => [row.provider, row.bucket, row.value]), [['acme', 'acme-0', 5], ['nobody', 'nothing-1', 4]]);
    assert.deepEqual([repriced.unpriced.turns.value, repriced.unpriced.kept_for_repricing.value], [9, 9]);
    for (const same of ['turns', 'sessions', 'tokens', 'missing', 'dead']) assert.deepEqual(repriced[same], before_prices[same], same);
    for (const model of ['openai gpt-4o', 'nobody nothing-1']) assert.deepEqual(repriced.models[model], before_prices.models[model], model);
    assert.deepEqual([repriced.models['acme acme-0'].value, repriced.models['acme acme-1'].value, repriced.models['openai ft-tuned'].value], [16 * ACME_NANO_USD, 15 * ACME_NANO_USD, 2 * TUNED_NANO_USD]);
    assert.equal(repriced.features[' tuned'].value, 2 * TUNED_NANO_USD);
    const perUser = (/** @type {any} */ of) => sum(Object.values(of.users).map((row) => row.value));
    assert.equal(perUser(repriced) - perUser(before_prices), spend - ACME_NANO_USD, 'all but what belongs to nobody');
    const days = (/** @type {any} */ of) => Object.fromEntries(of.days);
    assert.equal(sum(Object.values(days(repriced))) - sum(Object.values(days(before_prices))), spend);
  });

  test('once more it finds nothing, and a kill forgets nothing', async () => {
    const again = await reprice();
    assert.deepEqual([again.repriced, again.unpriced, again.nano_usd], [0, 9, 0]);
    assert.deepEqual(await numbers(), repriced);
    await sage.kill9();
    assert.deepEqual(await numbers(), repriced);
    assert.equal((await reprice()).repriced, 0);
    assert.deepEqual(await numbers(), repriced);
  });

  test('turns that come now have the price at once', async () => {
    await sage.send({ type: 'turn', id: 'now', ts: at(0), user_id: 'person-1', provider: 'acme', model: 'acme-7', usage });
    const now = await numbers();
    assert.deepEqual([now.spend - repriced.spend, now.unpriced.turns.value, now.repriced[0]], [ACME_NANO_USD, 9, 33]);
  });

  test('Bronze holds the turns as they were, and an event for each price', async () => {
    const stored = await bronze(sage);
    const turns = new Map(stored.filter(({ body }) => body.turn).map((event) => [event.id, event]));
    const later = stored.filter(({ body }) => body.repriced);
    assert.deepEqual([turns.size, later.length], [repriced.turns + 1, 33]);
    for (const { ts, source, user, body: { repriced: price } } of later) {
      const turn = turns.get(price.turn);
      assert.deepEqual([ts, user, price.provider, price.model, price.feature], [turn.ts, turn.user, turn.body.turn.provider, turn.body.turn.model, turn.body.turn.feature]);
      assert.match(turn.body.turn.cost.unpriced, /^unknown_(model|provider)$/, 'the turn itself says what was known then');
      assert.equal(source, 'admin');
      assert.equal(price.cost.nano_usd, price.model === 'ft-tuned' ? TUNED_NANO_USD : ACME_NANO_USD);
      assert.match(price.cost.price_version, /^own/);
      assert.equal(price.cost.provenance, price.model === 'ft-tuned' ? 'provider_reported' : 'computed');
      assert.equal(sum(price.cost.units.map((/** @type {any} */ unit) => unit.nano_usd)), price.cost.nano_usd);
    }
    assert.equal(new Set(later.map(({ body }) => body.repriced.turn)).size, 33);
  });
});
