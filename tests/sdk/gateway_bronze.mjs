// @ts-check
/** What Bronze holds, once everything is in it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { python, until } from '../lib/sage.mjs';

/** Every event of Bronze, as JSON. @param {import('../lib/sage.mjs').Sage} sage @returns {Promise<any[]>} */
export async function bronze(sage) {
  // Wakes every object at once; by itself each does this within two minutes.
  await sage.nightly();
  const parts = await until('Bronze', async () => {
    const { lake } = (await sage.sage('panel=operations')).panels.operations;
    const keys = (await sage.bucket('BRONZE').list('events/')).map(({ key }) => key);
    // While parts become Parquet, a row may for moments be in both.
    return lake.bronze_lag.value === 0 && !lake.errors.length && keys.every((key) => key.endsWith('.parquet')) && keys;
  }, { ms: 30_000 });
  const folder = await mkdtemp(join(tmpdir(), 'sage-bronze-'));
  try {
    for (const key of parts) {
      await mkdir(dirname(join(folder, key)), { recursive: true });
      await writeFile(join(folder, key), await sage.bucket('BRONZE').get(key));
    }
    return await python('sdk/gateway_bronze.py', [folder]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
