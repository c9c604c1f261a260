// @ts-check
/**
 * Shards double while clients go on: nothing is lost, nothing counts twice, no request fails. What has grown is held against what
 * never did.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { keepOffMidnight } from '../lib/midnight.mjs';
import { startProvider } from '../lib/provider.mjs';
import { ADMIN_TOKEN, FAULT_BUILD, INGEST_KEY, seeded, startSage, until } from '../lib/sage.mjs';
import { makeTurns } from '../lib/turns.mjs';

const TURNS = 8_000;
const CLIENTS = 6;
const DAY_MS = 86_400_000;
const PRICES = JSON.stringify({ model: [
  { provider: 'nobody', model: '*', from: new Date(Date.now() - 10 * DAY_MS).toISOString().slice(0, 10), input: '2', output: '8' },
  { provider: 'openai', model: 'gpt-of-nowhere', like: 'gpt-4o', output: '20' },
] });

/** @typedef {import('../lib/sage.mjs').Sage} Sage */

await keepOffMidnight(['UTC', 'Asia/Kathmandu'], 60_000);
const from = new Date(Date.now() - 6 * DAY_MS).toISOString().slice(0, 10);
const to = new Date().toISOString().slice(0, 10);

/** What the panels say, but for clocks, positions, sizes and what was sent again. @param {Sage} sage @param {string} [query] */
async function panels(sage, query = `from=${from}&to=${to}`) {
  const { panels: found } = await until('every Shard', async () => {
    const all = await sage.sage(query);
    return all.panels.operations.shards.every((/** @type {any} */ shard) => shard.reachable) && all;
  });
  const { shards: _, lake: __, intake_last_hour: ___, intake, ...operations } = found.operations;
  const counts = Object.fromEntries(['stored', 'dead_lettered', 'dropped'].map((name) => [name, intake[name].value]));
  return { ...found, operations: { ...operations, intake: counts } };
}

/** @param {Sage} sage @param {string} path @param {string} [method] */
const ask = (sage, path, method = 'GET') => sage.request(path, { method, headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });

/**
 * A client that is done when every event of its own was acknowledged. Acknowledgements get lost, and what is stored is sent again.
 * Only the host's own restart may refuse it.
 * @param {Sage} sage
 * @param {Record<string, any>[]} own
 * @param {ReturnType<typeof seeded>} random
 * @param {{ acknowledged: number, broken: number, over: boolean, told: () => (number | undefined)[] }} state
 */
async function client(sage, own, random, state) {
  const pending = [...own];
  /** @type {Record<string, any>[]} */ const done = [];
  while (pending.length && !state.over) {
    const batch = pending.splice(0, Math.min(pending.length, random.pick([1, 5, 20, 60])));
    const sent = [...batch, ...(done.length ? Array.from({ length: random.below(8) }, () => random.pick(done)) : [])];
    const told = random.pick(state.told());
    let reply;
    try {
      reply = await sage.send(sent, { timeoutMs: 20_000, ...(told ? { headers: { 'sage-test-shards': String(told) } } : {}) });
    } catch {
      // The host was away.
      state.broken++;
      pending.push(...batch);
      await sleep(50);
      continue;
    }
    assert.equal(reply.status, 200, `${reply.text} ${sage.log().slice(-2000)}`);
    const { received, stored, duplicate, dead_lettered: dead } = reply.json;
    assert.deepEqual([received, stored + duplicate + dead], [sent.length, sent.length], reply.text);
    if (random.chance(0.1)) {
      pending.push(...batch);
    } else {
      state.acknowledged += batch.length;
      done.push(...batch);
    }
    await sleep(random.below(12));
  }
}

test('one Shard becomes two, then four, under load', { timeout: 280_000 }, async (t) => {
  const [sage, other] = await Promise.all([startSage({ build: FAULT_BUILD }), startSage({ build: FAULT_BUILD })]);
  try {
    const turns = makeTurns({ count: TURNS, seed: 77, users: 150 });
    for (let n = 0; n < TURNS; n += 500) assert.equal((await other.send(turns.slice(n, n + 500))).status, 200);

    const random = seeded(5);
    const shares = Array.from({ length: CLIENTS }, () => /** @type {Record<string, any>[]} */ ([]));
    for (const turn of turns) random.pick(shares).push(turn);
    /** What senders know. @type {(number | undefined)[]} */
    let known = [undefined];
    const state = { acknowledged: 0, broken: 0, over: false, told: () => known };
    const clients = Promise.all(shares.map((own, n) => client(sage, own, seeded(50 + n), state))).finally(() => { state.over = true; });
    // Answers meanwhile: people are told once, whoever holds them.
    let answers = 0;
    const looker = (async () => {
      let people = 0;
      while (!state.over) {
        const reply = await ask(sage, `/sage?panel=cost&from=${from}&to=${to}`).catch(() => undefined);
        if (reply) {
          assert.equal(reply.status, 200, reply.text);
          const { n } = reply.json.panels.cost.per_user.mean;
          if (reply.json.panels.cost.per_user.mean.hidden === null) {
            assert.ok(n >= people && n <= 150, `${n} people after ${people}`);
            people = n;
            answers++;
          }
        }
        await sleep(100);
      }
    })();
    const reach = async (/** @type {number} */ share) => {
      while (state.acknowledged < share * TURNS && !state.over) await sleep(5);
    };
    const operator = (async () => {
      await reach(0.2);
      // Isolates of two versions at once.
      known = [1, 2];
      await reach(0.4);
      known = [undefined, 1];
      await sage.restart({ shards: 2 });
      await reach(0.6);
      await sage.restart({ shards: 4 });
      known = [undefined, 1, 2, 4];
      await reach(0.8);
      // A smaller number again is no way back.
      await sage.restart({ shards: 1 });
    })();
    await Promise.all([clients, operator, looker]);

    const health = await until('health', async () => { const reply = await ask(sage, '/sage/healthz'); return reply.status === 200 && reply.json; });
    assert.match(health.notes?.join(' ') ?? '', /SHARDS is 1, but there are 4 Shards/);
    const grown = await sage.sage(`from=${from}&to=${to}`);
    assert.equal(grown.panels.operations.shards.length, 4);
    assert.equal(grown.panels.operations.intake.stored.value, TURNS);
    await sage.restart({ shards: 4 });
    for (const query of [`from=${from}&to=${to}`, `from=${from}&to=${to}&tz=Asia/Kathmandu`]) {
      assert.deepEqual(await panels(sage, query), await panels(other, query), query);
    }
    t.diagnostic(`${state.broken} requests met the restarts; ${answers} answers on the way, up to ${grown.panels.operations.intake.received.value - TURNS} duplicates`);

    for (let n = 0; n < TURNS; n += 400) {
      const { stored, duplicate } = (await sage.send(turns.slice(n, n + 400))).json;
      assert.deepEqual([stored, duplicate], [0, Math.min(400, TURNS - n)]);
    }

    // A price that comes later.
    const secrets = { SAGE_PRICES: PRICES };
    await Promise.all([sage.restart({ secrets }), other.restart({ secrets })]);
    const [mine, theirs] = await Promise.all([sage, other].map(async (one) => (await ask(one, '/sage/v1/prices/reprice', 'POST')).json));
    assert.ok(theirs.repriced > 100 && !theirs.more && !mine.more, JSON.stringify(theirs));
    assert.deepEqual(mine, theirs);
    assert.deepEqual(await panels(sage), await panels(other), 'after prices');
    assert.equal((await ask(sage, '/sage/v1/prices/reprice', 'POST')).json.repriced, 0);

    // People who moved leave.
    const users = [...new Set(turns.map((turn) => turn.user_id))].filter(Boolean).slice(0, 6);
    let events = 0;
    for (const user of users) {
      const path = `/sage/v1/users/${encodeURIComponent(user)}`;
      const [held, known] = [(await ask(sage, path)).json, (await ask(other, path)).json];
      const ids = (/** @type {any} */ told) => told.events.map((/** @type {any} */ one) => one.event.id).sort();
      assert.deepEqual([ids(held), held.spend, held.sessions], [ids(known), known.spend, known.sessions]);
      const [gone, there] = [await ask(sage, path, 'DELETE'), await ask(other, path, 'DELETE')];
      assert.deepEqual([gone.json.events, gone.status < 300], [there.json.events, true], gone.text);
      events += gone.json.events;
      const receipt = await ask(sage, `/sage/v1/erasures/${gone.json.receipt}`);
      assert.deepEqual([receipt.status, receipt.json.receipt, receipt.json.events], [200, gone.json.receipt, gone.json.events]);
      const nothing = (await ask(sage, path)).json;
      assert.deepEqual([nothing.events, nothing.spend, nothing.sessions, nothing.erasure.receipt], [[], [], [], gone.json.receipt]);
      assert.equal((await ask(sage, path, 'DELETE')).json.receipt, gone.json.receipt);
    }
    assert.ok(events > 50);
    assert.deepEqual(await panels(sage), await panels(other), 'after erasures');
    await sage.kill9();
    assert.deepEqual(await panels(sage), await panels(other), 'after a crash');
    t.diagnostic(`${theirs.repriced} turns priced later, ${events} events erased`);
  } finally {
    await Promise.all([sage.stop(), other.stop()]);
  }
});

/** @type {Awaited<ReturnType<typeof startProvider>>} */ let provider;
before(async () => { provider = await startProvider(); });
after(() => provider?.close());

test('a person\'s budget holds while they move', { timeout: 90_000 }, async () => {
  const call_usd = 0.00615;
  const sage = await startSage({
    build: FAULT_BUILD, shards: 1,
    settings: { gateway: { require_key: true, providers: { openai: { base_url: provider.url } } }, budget: { hard_stop: true, hold_usd: call_usd, user_day_usd: (call_usd * 10).toFixed(9) } },
  });
  try {
    const people = Array.from({ length: 8 }, (_, n) => `person-${n}`);
    const passed = Object.fromEntries(people.map((user) => [user, 0]));
    const round = () => Promise.all(people.flatMap((user) => [1, 2, 3].map(async () => {
      const response = await fetch(`${sage.url}/sage/llm/openai/v1/chat/completions`, {
        method: 'POST', headers: { 'content-type': 'application/json', authorization: 'Bearer k', 'sage-key': INGEST_KEY, 'sage-user': user },
        body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hello' }] }),
      });
      await response.text();
      assert.ok([200, 429].includes(response.status), `${response.status}`);
      if (response.status === 200) passed[user] = (passed[user] ?? 0) + 1;
    })));
    await round();
    await sage.restart({ shards: 2 });
    await round();
    await sage.restart({ shards: 8 });
    await round();
    await round();
    await round();
    assert.deepEqual(passed, Object.fromEntries(people.map((user) => [user, 10])));
    const spend = await until('all turns', async () => {
      const { cost } = (await sage.sage('panel=cost')).panels;
      return cost.spend.value === people.length * 10 * 6_150_000 && cost;
    });
    assert.equal(spend.budget.user_day.users_at_limit.value, people.length);
  } finally {
    await sage.stop();
  }
});
