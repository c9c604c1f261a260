// @ts-check
/**
 * Devices and robots, read in the Worker's WASM: all of uap-core's own cases, people's and robots' lists; the native command says the
 * same; and robots are counted apart.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { startSageBare } from '../lib/bench-workerd.mjs';
import { FAULT_BUILD, ROOT, startSage, until } from '../lib/sage.mjs';
import { LISTS, cases, folder } from '../lib/uap-core.mjs';

const SAGE_INSPECT = process.env.SAGE_INSPECT ?? join(ROOT, 'target/release/sage-inspect');

/** @typedef {{ family: string, major: string | null, minor: string | null, patch: string | null, patch_minor: string | null }} Family */
/** @typedef {{ browser: Family, os: Family, device: string, bot: string | null, bot_kind: string | null }} Reading */

describe('a User-Agent in WASM', { timeout: 120_000 }, () => {
  /** @type {import('../lib/bench-workerd.mjs').Running} */ let worker;
  before(async () => { worker = await startSageBare({ build: FAULT_BUILD }); });
  after(() => worker?.stop());

  /** @param {string[]} texts @returns {Promise<Reading[]>} */
  async function read(texts) {
    const reply = await fetch(`${worker.url}/sage/__ua`, { method: 'POST', body: texts.map((text) => JSON.stringify(text)).join('\n') });
    assert.equal(reply.status, 200);
    const readings = (await reply.text()).trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.equal(readings.length, texts.length);
    return readings;
  }

  test('is read as uap-core says in every one of its cases, and the command says the same', async () => {
    const uapCore = folder();
    let compared = 0;
    for (const [file, part, count] of LISTS) {
      const list = cases(join(uapCore, file));
      assert.equal(list.length, count, file);
      const texts = list.map((one) => one.user_agent_string ?? '');
      const readings = await read(texts);
      list.forEach(({ user_agent_string: _, ...expected }, i) => {
        assert.deepEqual({ ...readings[i]?.[part] }, expected, texts[i]);
        compared += 1;
      });
      const input = texts.map((ua) => JSON.stringify({ ua })).join('\n');
      const native = execFileSync(SAGE_INSPECT, ['ua'], { input, maxBuffer: 64 << 20 }).toString().trimEnd().split('\n');
      assert.deepEqual(native.map((line) => JSON.parse(line)), readings, file);
    }
    assert.equal(compared, 15_042);
  });

  test('tells people from robots, and their devices', async () => {
    /** @type {{ userAgent: string, deviceCategory: string }[]} */
    const people = JSON.parse(readFileSync(join(ROOT, 'node_modules/user-agents/dist/user-agents.json'), 'utf8'));
    const readings = await read(people.map((one) => one.userAgent));
    const wrong = people.filter((one, i) => readings[i]?.bot !== null || readings[i]?.device !== one.deviceCategory);
    assert.ok(people.length >= 10_000);
    assert.deepEqual(wrong, []);

    /** @type {{ instances?: string[] }[]} */
    const list = JSON.parse(readFileSync(join(ROOT, 'collector/lists/crawlers/crawler-user-agents.json'), 'utf8'));
    const robots = list.flatMap((one) => one.instances ?? []);
    const missed = (await read(robots)).filter((reading) => reading.bot === null || reading.device !== 'bot').length;
    assert.ok(robots.length > 2_100 && missed / robots.length <= 0.005, `${missed} of ${robots.length}`);
  });
});

test('robots are counted apart from people, and no text of theirs is kept', { timeout: 90_000 }, async () => {
  const app = createServer((_, reply) => reply.end('ok')).listen(0, '127.0.0.1');
  await new Promise((resolve) => app.once('listening', resolve));
  const { port } = /** @type {import('node:net').AddressInfo} */ (app.address());
  const sage = await startSage({ origin: `http://127.0.0.1:${port}`, settings: { bots: { human: ['ExampleTestBot'] } } });
  try {
    const chrome = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 secret-of-a-person';
    const robot = 'Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)';
    for (const agent of [chrome, robot, robot, 'curl/8.5.0', 'Mozilla/5.0 (compatible; ExampleTestBot/1.0)']) {
      await (await fetch(`${sage.url}/`, { headers: { 'user-agent': agent } })).text();
    }
    const panel = await until('five requests', async () => {
      const { operations } = (await sage.sage('panel=operations')).panels;
      return operations.requests.total.value === 5 ? operations : null;
    });
    assert.equal(panel.bots.total.value, 3);
    const kinds = Object.fromEntries(panel.bots.by_kind.map((/** @type {any} */ one) => [one.bucket, one.value]));
    assert.deepEqual(kinds, { ai_crawler: 2, http_library: 1 });
  } finally {
    await sage.stop();
    app.close();
  }
});
