// @ts-check
/** Budgets: a hard stop lets through what it has room for, to the call, whoever asks at once; and says so in /sage. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startProvider } from '../lib/provider.mjs';
import { INGEST_KEY, startSage, until } from '../lib/sage.mjs';

/** What a call costs: gpt-4o, 1000 × 2.50 + 200 × 1.25 + 340 × 10 USD a million. */
const CALL_USD = 0.00615;
const CALL_NANO_USD = 6_150_000;
const ROOM = 100;
const CALLS = 200;

/** @type {Awaited<ReturnType<typeof startProvider>>} */ let provider;
before(async () => { provider = await startProvider(); });
after(() => provider?.close());

/** @param {Record<string, unknown>} budget @param {import('../lib/sage.mjs').SageOptions} [options] */
const start = (budget, options = {}) => startSage({
  ...options,
  settings: { gateway: { require_key: true, providers: { openai: { base_url: provider.url } } }, budget: { hard_stop: true, hold_usd: CALL_USD, ...budget } },
});

/** @param {import('../lib/sage.mjs').Sage} sage @param {string} user @param {object} [more] */
async function call(sage, user, more = {}) {
  const response = await fetch(`${sage.url}/sage/llm/openai/v1/chat/completions`, {
    method: 'POST', headers: { 'content-type': 'application/json', authorization: 'Bearer k', 'sage-key': INGEST_KEY, 'sage-user': user },
    body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hello' }], ...more }),
  });
  return { status: response.status, headers: response.headers, body: /** @type {any} */ (await response.text().then((text) => { try { return JSON.parse(text); } catch { return text; } })) };
}

const count = (/** @type {{ status: number }[]} */ replies, /** @type {number} */ status) => replies.filter((reply) => reply.status === status).length;

for (const shards of [1, 4]) {
  test(`of ${CALLS} calls at once, a daily budget with room for ${ROOM} lets ${ROOM} through (${shards} Shards)`, async () => {
    const sage = await start({ day_usd: (CALL_USD * ROOM).toFixed(9) }, { shards });
    try {
      const asked = provider.seen.length;
      const replies = await Promise.all(Array.from({ length: CALLS }, (_, n) => call(sage, `person-${n % 20}`, { stream: n % 2 === 0 })));
      assert.deepEqual([count(replies, 200), count(replies, 429)], [ROOM, CALLS - ROOM]);
      assert.equal(provider.seen.length - asked, ROOM, 'no other call reached the provider');
      const refused = replies.find((reply) => reply.status === 429);
      assert.equal(refused?.body.code, 'budget_exceeded');
      assert.match(refused?.body.error.message, /^the daily budget has no room for this call; it opens again at 20/);
      assert.equal(refused?.headers.get('x-should-retry'), 'false');
      assert.ok(Number(refused?.headers.get('retry-after')) <= 86_401);
      const panel = await until('all turns', async () => {
        const now = (await sage.sage('panel=cost')).panels.cost;
        return now.spend.value === ROOM * CALL_NANO_USD && now;
      });
      assert.deepEqual([panel.budget.day.spent.value, panel.budget.day.limit.value, panel.budget.day.state], [ROOM * CALL_NANO_USD, ROOM * CALL_NANO_USD, 'exceeded']);
      assert.equal((await call(sage, 'someone-else')).status, 429, 'and it stays full');
      await sage.kill9();
      assert.equal((await call(sage, 'someone-else')).status, 429, 'after a crash, too');
    } finally {
      await sage.stop();
    }
  });
}

test('a person\'s budget is theirs alone, and counts what other ways told', async () => {
  const sage = await start({ user_day_usd: (CALL_USD * 10).toFixed(9) }, { shards: 2 });
  try {
    const told = Array.from({ length: 4 }, (_, n) => ({ type: 'turn', id: `t${n}`, ts: new Date().toISOString(), user_id: 'alice', provider: 'openai', model: 'gpt-4o', usage: { input_tokens: 1200, cache_read_tokens: 200, output_tokens: 340 } }));
    assert.equal((await sage.send(told)).json.stored, 4);
    const replies = await Promise.all(Array.from({ length: 40 }, (_, n) => call(sage, n % 2 ? 'alice' : 'bob')));
    assert.deepEqual([count(replies.filter((_, n) => n % 2), 200), count(replies.filter((_, n) => n % 2 === 0), 200)], [6, 10]);
    assert.match(replies.find((reply) => reply.status === 429)?.body.detail, /^this user's daily budget/);
    assert.equal((await call(sage, 'carol')).status, 200);
    const panel = await until('their turns', async () => {
      const now = (await sage.sage('panel=cost')).panels.cost;
      return now.spend.value === 21 * CALL_NANO_USD && now;
    });
    assert.equal(panel.budget.user_day.users_at_limit.value, 2);
  } finally {
    await sage.stop();
  }
});

test('worked out from the call, what is spent never passes the limit, and room that was not needed comes back', async () => {
  const limit = CALL_NANO_USD * 30;
  const sage = await start({ day_usd: (limit / 1e9).toFixed(9), hold_usd: 0 });
  try {
    const ask = (/** @type {number} */ n) => call(sage, `p${n}`, { max_tokens: 2_000 });
    let passed = 0;
    for (let round = 0; round < 12; round++) passed += count(await Promise.all(Array.from({ length: 10 }, (_, n) => ask(n))), 200);
    // A call holds some 0.02 USD and costs 0.00615: the last that fits leaves less room than a hold.
    assert.ok(passed <= 30 && passed >= 26, `${passed}`);
    const panel = await until('all turns', async () => {
      const now = (await sage.sage('panel=cost')).panels.cost;
      return now.spend.value === passed * CALL_NANO_USD && now;
    });
    assert.ok(panel.spend.value <= limit);
    assert.equal(panel.budget.day.state, 'warning');
  } finally {
    await sage.stop();
  }
});

test('failed calls give their room back', async () => {
  const sage = await start({ day_usd: (CALL_USD * 2).toFixed(9) });
  try {
    for (let n = 0; n < 5; n++) assert.equal((await call(sage, 'p', { model: 'error-500-x' })).status, 500);
    await until('room', async () => (await call(sage, 'p')).status === 200);
    await until('room', async () => (await call(sage, 'p')).status === 200);
    assert.equal((await call(sage, 'p')).status, 429);
  } finally {
    await sage.stop();
  }
});

for (const [policy, status] of /** @type {const} */ ([['open', 200], ['closed', 503]])) {
  test(`when the budget can not be asked, calls ${policy === 'open' ? 'pass' : 'are refused'} (${policy})`, async () => {
    /** @type {import('../lib/sage.mjs').Faults} */
    const faults = { objects: (one) => (one.className === 'Gold' && one.path === '/hold' ? 'throw' : 'ok') };
    const sage = await start({ day_usd: '1.00', on_failure: policy }, { faults });
    try {
      const reply = await call(sage, 'p');
      assert.equal(reply.status, status);
      if (status === 503) assert.equal(reply.body.code, 'budget_unreachable');
    } finally {
      await sage.stop();
    }
  });
}

test('without a hard stop a budget only tells', async () => {
  const sage = await start({ hard_stop: false, day_usd: '0.000000001', month_usd: 1000 });
  try {
    assert.equal((await call(sage, 'p')).status, 200);
    const panel = await until('the turn', async () => {
      const now = (await sage.sage('panel=cost')).panels.cost;
      return now.spend.value && now;
    });
    assert.deepEqual([panel.budget.day.state, panel.budget.month.state], ['exceeded', 'ok']);
  } finally {
    await sage.stop();
  }
});
