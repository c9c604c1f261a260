// @ts-check
// `npm run bench`: the performance table, on bare workerd, each figure beside its baseline. Sage and its baseline
// take turns within a run, so that a busy machine slows both; figures are medians of the rounds, with the range beside them.
//
//   node tests/bench/bench.mjs [--quick] [--only=size,price,ua,pass,stream,gateway,waves,intake,history,year]
//
// Everything runs on 127.0.0.1. Besides requests a second, the CPU that workerd used per request is shown: it does not
// depend on what else the machine does.

import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../lib/bench-workerd.mjs';
import { gateway } from './gateway.mjs';
import { history, intake, intakeOnSlowDisk } from './intake.mjs';
import { CONNECTIONS, ROUNDS, ROUND_MS, closeClient, details, failures, lines, millis, quick, wanted } from './measure.mjs';
import { passThrough } from './pass.mjs';
import { price } from './price.mjs';
import { size } from './size.mjs';
import { userAgent } from './user_agent.mjs';
import { waves } from './waves.mjs';
import { year } from './year.mjs';

/** @param {string[][]} rows */
function table(rows) {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of rows) console.log(row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd());
}

const began = performance.now();
if (wanted('size')) await size();
if (wanted('price')) await price();
if (wanted('ua')) await userAgent();
if (wanted('pass') || wanted('stream')) await passThrough();
if (wanted('gateway')) await gateway();
if (wanted('waves')) await waves();
if (wanted('intake')) await intake();
if (wanted('intake')) await intakeOnSlowDisk();
if (wanted('history')) await history();
if (wanted('year')) await year();
await closeClient();

console.log(`\nSage on bare workerd, ${cpus().length} cores (${cpus()[0]?.model}), ${ROUNDS} rounds of ${ROUND_MS / 1000} s in turns, ${CONNECTIONS} keep-alive connections,`);
console.log('median (min–max); load client: Node on raw sockets, a process of its own\n');
table([
  ['what', 'Sage', 'baseline', 'result', 'budget', ''],
  ...lines.map((line) => [line.name, line.sage, line.baseline, line.result, line.budget, line.within ? 'pass' : `FAIL${line.ofBudget ? `, at ${line.ofBudget.toFixed(2)} of budget` : ''}`]),
]);
const disk = /** @type {any} */ (details.intake)?.fsync_ms;
const alone = /** @type {any} */ (details.client)?.direct_requests_per_s;
if (alone) console.log(`\nthe load client alone asks the app behind ${alone.toLocaleString('en')} times a second`);
if (disk) console.log(`a durable write of 16 KiB on this disk took ${disk.map(millis).join(' before and ')} after the intake rounds; the runtime waits for one at every commit, Sage's and the baseline's`);
console.log(`${Math.round((performance.now() - began) / 1000)} s`);
mkdirSync(join(ROOT, 'target/bench'), { recursive: true });
const report = {
  at: new Date().toISOString(), quick, machine: { cores: cpus().length, model: cpus()[0]?.model, memory_bytes: totalmem() },
  rounds: ROUNDS, round_ms: ROUND_MS, connections: CONNECTIONS, lines, failures, details,
};
writeFileSync(join(ROOT, 'target/bench/latest.json'), `${JSON.stringify(report, null, 1)}\n`);
if (failures.length) {
  console.error(`\nThe figures can't be trusted:\n${failures.join('\n')}`);
  process.exitCode = 1;
}
