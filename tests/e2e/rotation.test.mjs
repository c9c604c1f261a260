// @ts-check
/** The secret that makes keys is replaced: no one counts twice, and the old one is readable until it is taken away. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { ADMIN_TOKEN, INGEST_KEY, startSage } from '../lib/sage.mjs';

const FIRST = 'the first secret, of thirty-two characters';
const SECOND = 'the second secret, of thirty-two characters';
const USERS = Array.from({ length: 12 }, (_, n) => `rotating person ${n}`);

describe('a secret is replaced', { timeout: 120_000 }, () => {
  for (const shards of [1, 3]) {
    test(`${shards} Shard(s)`, async () => {
      const sage = await startSage({ shards, secrets: { SAGE_UID_SALT: FIRST } });
      const at = Date.now() - 600_000;
      const turns = (/** @type {number} */ from) => USERS.flatMap((user, n) => [0, 1].map((turn) => ({
        type: 'turn', id: `turn-${n}-${from + turn}`, ts: new Date(at + (from + turn) * 60_000).toISOString(), user_id: user, conversation_id: `talk ${n}`,
        provider: 'openai', model: 'gpt-4o', usage: { input_tokens: 1000, output_tokens: 100 },
      })));
      const numbers = async () => {
        const { usage, cost } = (await sage.sage()).panels;
        return { mau: usage.mau.value, sessions: usage.sessions.value, turns: usage.turns.value, mean: cost.per_user.mean.value, top: cost.top_users.map((/** @type {any} */ top) => top.nano_usd ?? top.value) };
      };
      const user = async (/** @type {number} */ n, method = 'GET') => (await sage.request(`/sage/v1/users/${encodeURIComponent(USERS[n])}`, { method, headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })).json;
      try {
        assert.equal((await sage.send(turns(0))).json.stored, 24);
        const before = await numbers();
        assert.deepEqual([before.mau, before.sessions, before.turns], [12, 12, 24]);

        const home = shards > 1 ? { SAGE_HOME_SALT: FIRST } : {};
        await sage.restart({ secrets: { SAGE_UID_SALT: SECOND, SAGE_UID_SALT_ID: '2', SAGE_UID_SALT_PREVIOUS: FIRST, ...home } });
        assert.deepEqual(await numbers(), before);
        assert.equal((await user(3)).events.length, 2, 'what the old secret named is readable');
        assert.deepEqual([(await sage.send(turns(0))).json.duplicate, (await sage.send(turns(4))).json.stored], [24, 24]);
        const during = await numbers();
        assert.deepEqual([during.mau, during.sessions, during.turns, during.mean], [12, 12, 48, before.mean * 2]);

        await sage.restart({ secrets: { SAGE_UID_SALT_PREVIOUS: undefined } });
        assert.equal((await sage.send(turns(8))).json.stored, 24);
        const after = await numbers();
        assert.deepEqual([after.mau, after.sessions, after.turns, after.mean], [12, 12, 72, before.mean * 3]);
        assert.equal((await user(3)).events.length, 6, 'of those who were there meanwhile, what came before, too');
        assert.equal((await user(3, 'DELETE')).events, 6);
        const { mau, turns: left } = await numbers();
        assert.deepEqual([mau, left], [11, 66]);
      } finally {
        await sage.stop();
      }
    });
  }

  test('what does not fit together is refused with the remedy', async () => {
    for (const [secrets, word, shards] of /** @type {const} */ ([
      [{ SAGE_UID_SALT: SECOND, SAGE_UID_SALT_PREVIOUS: FIRST }, 'SAGE_UID_SALT_ID', 1],
      [{ SAGE_UID_SALT: SECOND, SAGE_UID_SALT_ID: '2', SAGE_UID_SALT_PREVIOUS: SECOND }, 'SAGE_UID_SALT_PREVIOUS', 1],
      [{ SAGE_UID_SALT: SECOND, SAGE_UID_SALT_ID: '2', SAGE_UID_SALT_PREVIOUS: FIRST }, 'SAGE_HOME_SALT', 2],
    ])) {
      const sage = await startSage({ shards, secrets });
      try {
        const reply = await sage.request('/sage/v1/events', { method: 'POST', body: '{}', headers: { authorization: `Bearer ${INGEST_KEY}`, 'content-type': 'application/json' } });
        assert.deepEqual([reply.status, reply.json.code], [503, 'not_configured'], reply.text);
        assert.match(reply.json.detail, new RegExp(word));
        assert.equal((await sage.request('/sage/healthz')).status, 503);
      } finally {
        await sage.stop();
      }
    }
  });
});
