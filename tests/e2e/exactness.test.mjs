// @ts-check
/**
 * Nothing is lost and nothing is counted twice: 20,000 turns from eight clients that send at random again, workerd killed ten
 * times with SIGKILL, R2 failing at random. Every number is then compared with one that Python worked out from the raw turns.
 */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { SALT, python, seeded, startSage, until } from '../lib/sage.mjs';
import { makeTurns } from '../lib/turns.mjs';

const TURNS = 20_000;
const WRONG = 60;
const CLIENTS = 8;
const KILLS = 10;
const DAY_MS = 86_400_000;
const ZONES = ['UTC', 'Asia/Kathmandu', 'America/St_Johns'];

/** @param {number} ms */
const dateOf = (ms) => new Date(ms).toISOString().slice(0, 10);

/** Events that no contract allows; each is a dead letter, however often it is sent. @param {number} seed */
function wrongEvents(seed) {
  return Array.from({ length: WRONG }, (_, n) => ({ type: n % 2 ? 'turn' : 'no-such-type', id: `wrong-${seed}-${n}`, ts: new Date().toISOString(), colour: n }));
}

/**
 * A client that is done when every event of its own was acknowledged. It loses acknowledgements, sends again what is
 * stored, and groups anew every time.
 * @param {import('../lib/sage.mjs').Sage} sage
 * @param {Record<string, any>[]} own
 * @param {ReturnType<typeof seeded>} random
 * @param {{ acknowledged: number, received: number, stored: number, requests: number, refused: number, broken: number, statuses: Record<number, number> }} tally
 */
async function client(sage, own, random, tally) {
  const pending = [...own];
  /** @type {Record<string, any>[]} */
  const done = [];
  while (pending.length) {
    const size = Math.min(pending.length, random.pick([1, 3, 20, 50, 120, 250]));
    const from = random.below(pending.length - size + 1);
    const batch = pending.splice(from, size);
    const again = done.length && random.chance(0.3) ? Array.from({ length: random.below(20) }, () => random.pick(done)) : [];
    const sent = [...batch, ...again];
    tally.requests++;
    try {
      const single = sent.length === 1 && random.chance(0.5);
      const reply = await sage.send(single ? sent[0] : sent, { as: random.chance(0.3) ? 'ndjson' : 'json', gzip: random.chance(0.3), timeoutMs: 15_000 });
      tally.statuses[reply.status] = (tally.statuses[reply.status] ?? 0) + 1;
      if (reply.status !== 200) {
        assert.equal(reply.status, 503, reply.text);
        assert.ok(Number(reply.headers.get('retry-after')) > 0, 'a 503 says when to try again');
        throw new Error('refused');
      }
      const { received, stored, duplicate, dead_lettered: dead, dropped } = reply.json;
      const sumDropped = Object.values(dropped).reduce((sum, count) => sum + Number(count), 0);
      assert.equal(received, sent.length);
      assert.equal(received, stored + duplicate + dead + sumDropped, `the reply balances: ${reply.text}`);
      tally.received += received;
      tally.stored += stored;
      // An acknowledgement that the client never sees: the events go out once more, in other company.
      if (random.chance(0.12)) throw new Error('acknowledgement lost');
      tally.acknowledged += batch.length;
      done.push(...batch);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      pending.push(...batch);
      tally[error instanceof Error && error.message === 'refused' ? 'refused' : 'broken']++;
      await sleep(30 + random.below(120));
    }
  }
}

for (const shards of [1, 4]) {
  test(`${TURNS} turns are counted exactly once by ${shards} Shard(s), killed ${KILLS} times`, { timeout: 240_000 }, async (t) => {
    const seed = 1_000 + shards;
    const random = seeded(seed);
    const r2 = seeded(seed + 1);
    let faults = 0;
    let calm = false;
    const sage = await startSage({
      shards,
      faults: {
        r2: () => {
          const dice = r2.next();
          if (calm || dice < 0.6) return 'ok';
          faults++;
          return dice < 0.9 ? 'throw' : { delayMs: r2.below(1_500) };
        },
      },
    });
    const folder = await mkdtemp(join(tmpdir(), 'sage-turns-'));
    try {
      const now = Date.now();
      const turns = makeTurns({ count: TURNS, seed });
      const events = [...turns, ...wrongEvents(seed)];
      // Each client's own share is in no order.
      const shares = Array.from({ length: CLIENTS }, () => /** @type {Record<string, any>[]} */ ([]));
      for (const event of events) random.pick(shares).push(event);
      const tally = { acknowledged: 0, received: 0, stored: 0, requests: 0, refused: 0, broken: 0, statuses: {} };
      let finished = false;
      const clients = Promise.all(shares.map((own, n) => client(sage, own, seeded(seed + 10 + n), tally))).finally(() => { finished = true; });
      const killer = (async () => {
        let kills = 0;
        for (; kills < KILLS; kills++) {
          const mark = ((kills + 0.5) / KILLS) * events.length;
          while (tally.acknowledged < mark && !finished) await sleep(5);
          await sleep(random.below(40));
          await sage.kill9();
        }
        return kills;
      })();
      // The lake's work goes on beside: it is asked for now and then, since the killed never come to it by themselves.
      const lake = (async () => {
        while (!finished) {
          await Promise.race([sage.nightly().catch(() => {}), sleep(2_000)]);
          await sleep(300);
        }
      })();
      const began = Date.now();
      const [, kills] = await Promise.all([clients, killer, lake]);
      const seconds = (Date.now() - began) / 1_000;

      const [from, to] = [dateOf(now - 6 * DAY_MS), dateOf(now)];
      const file = join(folder, 'turns.ndjson');
      await writeFile(file, turns.map((turn) => JSON.stringify(turn)).join('\n'));
      const expected = await python('oracle/turns_oracle.py', [file, SALT, from, to, ...ZONES]);

      const compare = async (/** @type {string} */ when) => {
        const { panels } = await until('every Shard', async () => {
          const all = await sage.sage(`from=${from}&to=${to}`);
          return all.panels.operations.shards.every((/** @type {any} */ shard) => shard.reachable) && all;
        });
        const { cost, usage, operations } = panels;
        const value = (/** @type {any} */ metric) => metric.value;
        const values = (/** @type {any[]} */ series) => series.map(value);
        const { intake } = operations;
        assert.equal(value(intake.stored), TURNS, `stored ${when}`);
        assert.equal(value(intake.dead_lettered), WRONG, `dead-lettered ${when}`);
        assert.equal(value(intake.dropped), 0, `dropped ${when}`);
        assert.equal(value(intake.received), value(intake.stored) + value(intake.duplicate) + value(intake.dropped) + value(intake.dead_lettered), `the balance ${when}`);
        const minutes = operations.intake_last_hour.map((/** @type {any} */ minute) => minute.balance);
        for (const one of minutes) assert.equal(value(one.received), value(one.stored) + value(one.duplicate) + value(one.dropped) + value(one.dead_lettered), `the balance of a minute ${when}`);
        for (const name of ['received', 'stored', 'duplicate', 'dead_lettered']) {
          assert.equal(minutes.reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + value(one[name]), 0), value(intake[name]), `${name}, minute by minute, ${when}`);
        }
        // A request whose answer was lost was received, too.
        assert.ok(value(intake.received) >= tally.received, `${value(intake.received)} received, ${tally.received} acknowledged`);
        assert.equal(value(usage.turns), expected.turns, `turns ${when}`);
        assert.equal(value(usage.messages), expected.messages, `messages ${when}`);
        assert.equal(value(cost.spend), expected.nano_usd, `spend ${when}`);
        assert.ok(Number.isSafeInteger(value(cost.spend)) && cost.spend.exact && cost.spend.unit === 'nano_usd');
        for (const [ours, theirs] of [['input', 'input_tokens'], ['output', 'output_tokens'], ['cache_read', 'cache_read_tokens'], ['cache_write', 'cache_write_tokens'], ['reasoning', 'reasoning_tokens']]) {
          assert.equal(value(cost.tokens[ours]), expected.tokens[theirs], `${theirs} ${when}`);
        }
        assert.equal(value(cost.unpriced.turns), expected.unpriced, `unpriced ${when}`);
        assert.equal(value(cost.usage_missing), expected.usage_missing, `without usage ${when}`);
        assert.ok(expected.estimated > 50);
        assert.equal(value(cost.estimated.turns), expected.estimated, `estimated ${when}`);
        const models = Object.fromEntries(cost.spend_by_model.map((/** @type {any} */ row) => [`${row.provider} ${row.bucket}`, {
          nano_usd: row.value, count: row.count, unpriced: row.unpriced_turns, missing: row.usage_missing_turns, input_tokens: row.input_tokens, output_tokens: row.output_tokens,
          cache_read_tokens: row.cache_read_tokens, cache_write_tokens: row.cache_write_tokens, reasoning_tokens: row.reasoning_tokens,
        }]));
        assert.deepEqual(models, expected.by_model, `per model ${when}`);
        assert.deepEqual(Object.fromEntries(cost.spend_by_feature.map((/** @type {any} */ row) => [row.bucket, row.value])), expected.by_feature, `per feature ${when}`);
        assert.equal(value(usage.users), expected.users, `users ${when}`);
        assert.deepEqual(Object.fromEntries(Object.keys(expected.per_user).map((name) => [name, value(cost.per_user[name])])), expected.per_user, `per user ${when}`);
        assert.deepEqual(cost.top_users.map((/** @type {any} */ row) => [row.bucket, row.value, row.turns]), expected.top_users, `top users ${when}`);
        assert.deepEqual(values(usage.dau_by_day), expected.dau, `DAU ${when}`);
        assert.deepEqual(values(usage.wau_by_day), expected.wau, `WAU ${when}`);
        assert.deepEqual(values(usage.mau_by_day), expected.mau, `MAU ${when}`);
        assert.equal(value(usage.sessions), expected.sessions, `sessions ${when}`);
        assert.deepEqual(values(usage.sessions_by_day), expected.sessions_by_day, `sessions per day ${when}`);
        assert.deepEqual(Object.fromEntries(Object.keys(expected.per_session).map((name) => [name, value(cost.per_session[name])])), expected.per_session, `per session ${when}`);
        assert.equal(value(usage.session_turns.max), expected.session_turns_max, `longest session ${when}`);
        return intake;
      };
      const intake = await compare('after the last acknowledgement');
      await sage.kill9();
      await compare('after one more kill, from the log alone');

      for (const zone of ZONES) {
        // The last instant of the window is inside the day after in zones east of here.
        const answer = await sage.sage(`from=${from}&to=${dateOf(now + DAY_MS)}&tz=${encodeURIComponent(zone)}&panel=usage,cost`);
        const days = (/** @type {any[]} */ series) => Object.fromEntries(series.filter((row) => row.value).map((row) => [row.bucket, row.value]));
        const nonzero = (/** @type {Record<string, number>} */ counts) => Object.fromEntries(Object.entries(counts).filter(([, count]) => count).sort());
        assert.deepEqual(days(answer.panels.usage.turns_by_day), nonzero(expected.zones[zone].turns), `turns per day in ${zone}`);
        assert.deepEqual(days(answer.panels.cost.spend_by_day), nonzero(expected.zones[zone].spend), `spend per day in ${zone}`);
      }
      // The lake, too, holds every event once, whatever R2 did in between.
      calm = true;
      const found = await until('the lake', async () => {
        await Promise.race([sage.nightly().catch(() => {}), sleep(2_000)]);
        const { lake: state } = (await sage.sage('panel=operations')).panels.operations;
        const keys = (await sage.bucket('BRONZE').list()).map(({ key }) => key);
        const left = keys.filter((key) => key.endsWith('.ndjson.gz'));
        const behind = state.bronze_lag.value !== 0;
        if (behind || state.errors.length || left.length || !keys.length) throw new Error(JSON.stringify({ behind, errors: state.errors, left, keys: keys.length }));
        return keys;
      }, { ms: 60_000, everyMs: 1_000 });
      for (const key of found) {
        await mkdir(dirname(join(folder, 'lake', key)), { recursive: true });
        await writeFile(join(folder, 'lake', key), await sage.bucket('BRONZE').get(key));
      }
      const { parquet } = (await python('oracle/lake_oracle.py', [join(folder, 'lake')])).duckdb;
      assert.deepEqual([parquet.rows, parquet.ids, parquet.cost_nano_usd, parquet.input_tokens], [TURNS, TURNS, expected.nano_usd, expected.tokens.input_tokens], 'rows, ids and sums in Parquet');

      assert.equal(kills, KILLS);
      assert.ok(faults > 0, 'R2 failed at least once');
      t.diagnostic(`${shards} Shard(s): ${intake.received.value} received = ${intake.stored.value} stored + ${intake.duplicate.value} duplicate + ${intake.dropped.value} dropped + ${intake.dead_lettered.value} dead-lettered`);
      t.diagnostic(`${tally.requests} requests in ${seconds.toFixed(1)} s, ${tally.broken} broken or unseen, ${tally.refused} refused, ${kills + 1} kills, ${faults} R2 faults`);
      t.diagnostic(`$${(expected.nano_usd / 1e9).toFixed(9)}, ${expected.users} users, ${expected.sessions} sessions, ${Object.keys(expected.by_model).length} models`);
    } finally {
      await sage.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
}
