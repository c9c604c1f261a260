// @ts-check
/** Shards that have nothing to do: no alarm, no row written. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { FAULT_BUILD, startSage } from '../lib/sage.mjs';
import { makeTurns } from '../lib/turns.mjs';

/** Longer than an alarm takes to go off. */
const QUIET_MS = 55_000;

test('once everything is in the lake, Shards cost nothing', { timeout: 400_000 }, async () => {
  const sage = await startSage({ build: FAULT_BUILD, shards: 4 });
  after(() => sage.stop());
  const metered = async () => /** @type {{ rows_written: number, alarms: number }} */ ((await sage.request('/sage/__metered')).json);
  assert.equal((await sage.send(makeTurns({ count: 200, seed: 7 }))).status, 200);
  const busy = await metered();
  assert.ok(busy.rows_written >= 4, JSON.stringify(busy));
  let last = busy;
  for (const until = Date.now() + 300_000; ; ) {
    await sleep(QUIET_MS);
    const now = await metered();
    if (now.rows_written === last.rows_written && now.alarms === last.alarms) break;
    assert.ok(Date.now() < until, `still at work: ${JSON.stringify([last, now])}`);
    last = now;
  }
  assert.ok(last.alarms > 0, 'no alarm ever went off');
  const day = (/** @type {number} */ at) => new Date(at).toISOString().slice(0, 10);
  const { panels } = await sage.sage(`from=${day(Date.now() - 5 * 86_400_000)}&to=${day(Date.now())}`);
  assert.equal(panels.usage.turns.value, 200);
  assert.deepEqual(panels.operations.shards.map((/** @type {any} */ shard) => shard.bronze_position === shard.log_position), Array(4).fill(true));
});
