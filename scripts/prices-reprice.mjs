// @ts-check
// Gives turns that had no price the one that holds now; no other turn changes.
//
//   SAGE_URL=https://chat.example.com SAGE_ADMIN_TOKEN=… npm run prices:reprice [-- --dry-run]

const url = process.env.SAGE_URL ?? `http://127.0.0.1:${process.env.PORT ?? 8787}`;
const token = process.env.SAGE_ADMIN_TOKEN;
const dryRun = process.argv.includes('--dry-run');

/** @param {string} message @returns {never} */
function stop(message) {
  console.error(`prices:reprice: ${message}`);
  process.exit(1);
}

if (!token) stop('set SAGE_ADMIN_TOKEN (and SAGE_URL, unless Sage runs on this machine)');

/** @type {Map<string, { turns: number, nanoUsd: number, unpriced: number }>} */
const models = new Map();
for (let more = true; more;) {
  const response = await fetch(`${url}/sage/v1/prices/reprice${dryRun ? '?dry_run=1' : ''}`, {
    method: 'POST', headers: { authorization: `Bearer ${token}` },
  }).catch((error) => stop(`${url} could not be reached: ${error.cause?.code ?? error.message}`));
  const report = /** @type {any} */ (await response.json().catch(() => ({})));
  if (!response.ok) stop(`${response.status} ${report.detail ?? 'no reason given'}`);
  for (const { provider, model, repriced, unpriced, nano_usd } of report.models) {
    const name = `${provider} ${model}`;
    const known = models.get(name) ?? { turns: 0, nanoUsd: 0, unpriced: 0 };
    models.set(name, { turns: known.turns + repriced, nanoUsd: known.nanoUsd + nano_usd, unpriced });
  }
  // A dry run changes nothing, so that another would begin where this one did.
  more = report.more && !dryRun;
  if (report.more && dryRun) console.log('There are more turns than one request looks at; these are the first.');
}
for (const [name, { turns, nanoUsd, unpriced }] of models) {
  const found = turns ? `${turns} turns ${dryRun ? 'would cost' : 'cost'} ${(nanoUsd / 1e9).toFixed(9)} USD` : '';
  console.log(`${name}: ${[found, unpriced ? `${unpriced} turns still have no price` : ''].filter(Boolean).join(', ')}`);
}
if (!models.size) console.log('Every turn whose tokens are known has a price.');
