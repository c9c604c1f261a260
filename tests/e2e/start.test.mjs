// @ts-check
/** What a new user does: start it, chat in the browser, look at the numbers, kill it, go on. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseDevVars } from '../../demo/settings.mjs';
import { launchBrowser } from '../lib/browser.mjs';
import { ROOT, freePort } from '../lib/sage.mjs';

const READY_MS_MAX = 90_000;
const MODELS = ['gpt-4o-2024-08-06', 'gpt-5-mini-2025-08-07', 'gpt-5-2025-08-07', 'claude-haiku-4-5-20251001', 'claude-sonnet-4-5-20250929'];

const state = mkdtempSync(join(tmpdir(), 'sage-start-'));
/** @type {import('node:child_process').ChildProcess} */
let sage;
let url = '';
let output = '';
/** @type {import('playwright-core').Browser} */
let browser;

/** @param {string} path @returns {Promise<any>} */
async function admin(path) {
  const token = parseDevVars(readFileSync(join(ROOT, '.dev.vars'), 'utf8')).SAGE_ADMIN_TOKEN;
  const reply = await fetch(url + path, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(reply.status, 200);
  return reply.json();
}

/** Children of a process, theirs too. @param {number} pid @returns {number[]} */
function family(pid) {
  const parents = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      return [{ pid: Number(name), parent: Number(readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1].split(' ')[1]) }];
    } catch {
      return [];
    }
  });
  /** @param {number} of @returns {number[]} */
  const below = (of) => parents.filter(({ parent }) => parent === of).flatMap(({ pid }) => [pid, ...below(pid)]);
  return below(pid);
}

before(async () => {
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const env = { ...process.env, PORT: String(port), APP_PORT: String(await freePort()), SAGE_STATE: state };
  sage = spawn(process.execPath, ['scripts/start.mjs'], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [sage.stdout, sage.stderr]) stream?.on('data', (chunk) => { output += chunk; });
  const began = Date.now();
  while (!output.includes('Sage is ready')) {
    assert.ok(Date.now() - began < READY_MS_MAX && sage.exitCode === null, `not ready:\n${output}`);
    await sleep(100);
  }
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  sage?.kill('SIGTERM');
  await sleep(1_500);
  rmSync(state, { recursive: true, force: true });
});

test('five turns stream into the browser, and their exact cost is in /sage within five seconds', async () => {
  const page = await browser.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  /** What Sage answered to the page's own events. @type {number[]} */
  const answers = [];
  page.on('response', (response) => response.url().includes('/sage/v1/events') && answers.push(response.status()));
  await page.goto(url);
  /** @type {{ provider: string, model: string, ts: string, usage: object }[]} */
  const turns = [];
  for (const [number, model] of MODELS.entries()) {
    await page.selectOption('#model', model);
    await page.fill('#message', 'I can not fall asleep');
    /** @type {Promise<import('playwright-core').Response>} */
    const replied = page.waitForResponse((response) => response.url().endsWith('/api/chat'));
    await page.click('#send');
    const bubble = page.locator('.turn.model .bubble').nth(number);
    const lengths = new Set();
    const began = Date.now();
    while (!(await page.locator('.turn.model .after').nth(number).isVisible())) {
      lengths.add((await bubble.textContent())?.length ?? 0);
      assert.ok(Date.now() - began < 20_000, 'the reply does not end');
      await sleep(20);
    }
    assert.ok(lengths.size > 5, `${model} came in ${lengths.size} lumps`);
    const body = await (await replied).text();
    const last = body.split('\n').filter((line) => line.includes('"choices":[]')).at(-1);
    assert.ok(last, 'no usage chunk');
    turns.push({ provider: model.startsWith('claude') ? 'anthropic' : 'openai', model, ts: new Date().toISOString(), usage: JSON.parse(last.slice(6)).usage });
  }
  const ended = Date.now();
  let panels = (await admin('/sage')).panels;
  while (panels.usage.turns.value < turns.length && Date.now() - ended < 5_000) {
    await sleep(100);
    panels = (await admin('/sage')).panels;
  }
  const shown = Date.now() - ended;
  assert.equal(panels.usage.turns.value, 5);
  assert.equal(panels.usage.dau.value, 1);
  assert.equal(panels.usage.users.value, 1);
  assert.equal(panels.usage.sessions.value, 1);
  // The browser sees every reply in OpenAI's shape; of Anthropic's usage only the totals are in it, which is all these carry.
  const asReported = turns.map((turn) => turn.provider === 'openai' ? turn : {
    ...turn,
    usage: anthropicUsage(/** @type {any} */ (turn.usage)),
  });
  const oracle = spawnSync(process.env.SAGE_PYTHON ?? 'python3', ['tests/oracle/price.py'], {
    cwd: ROOT, input: asReported.map((turn) => JSON.stringify(turn)).join('\n'), encoding: 'utf8',
  });
  assert.equal(oracle.status, 0, oracle.stderr);
  const costs = oracle.stdout.trim().split('\n').map((line) => JSON.parse(line).nano_usd);
  const expected = costs.reduce((sum, cost) => sum + cost, 0);
  assert.equal(panels.cost.spend.value, expected);
  for (const [at, { model }] of turns.entries()) {
    assert.equal(panels.cost.spend_by_model.find((/** @type {any} */ row) => row.bucket === model)?.value, costs[at], model);
  }
  assert.deepEqual(complaints, []);
  assert.ok(answers.length > 0 && answers.every((status) => status === 200), `${answers}`);
  console.log(`five turns, ${expected} nano-dollars as the reference says, shown ${shown} ms after the last reply`);
  await page.close();
});

/** @param {any} usage OpenAI-shaped @returns {object} */
function anthropicUsage(usage) {
  const read = usage.prompt_tokens_details?.cached_tokens ?? 0;
  const written = usage.prompt_tokens_details?.cache_write_tokens ?? 0;
  return {
    input_tokens: usage.prompt_tokens - read - written,
    cache_read_input_tokens: read,
    cache_creation_input_tokens: written,
    output_tokens: usage.completion_tokens,
  };
}

test('a thumb and the public page work; the page keeps six users to itself', async () => {
  const page = await browser.newPage();
  await page.goto(`${url}/safety/transparency`);
  assert.match((await page.textContent('main')) ?? '', /fewer than 50 people/);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
  const json = await (await fetch(`${url}/safety/transparency.json`)).json();
  assert.equal(json.quarters[0].users.value, null);
  await page.close();
});

test('a runtime that is killed comes back with everything', async () => {
  const before = (await admin('/sage')).panels.usage.turns.value;
  const victims = family(/** @type {number} */ (sage.pid)).filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('workerd'));
  assert.ok(victims.length > 0);
  for (const pid of victims) process.kill(pid, 'SIGKILL');
  const began = Date.now();
  for (;;) {
    await sleep(500);
    const turns = await admin('/sage').then((answer) => answer.panels.usage.turns.value).catch(() => null);
    if (turns === before) break;
    assert.ok(Date.now() - began < 60_000, `not back after a minute:\n${output}`);
  }
  console.log(`back after ${Date.now() - began} ms`);
});
