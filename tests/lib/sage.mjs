// @ts-check
/**
 * The real Worker in a real workerd, for tests: start it, send to it, ask it, read what it stored, fail what is below it,
 * kill it. Everything listens on 127.0.0.1; `stop` leaves nothing behind.
 */
import childProcess from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const { Log, LogLevel, Miniflare, Response: HostResponse, convertV4MiniflareOptions } = createRequire(import.meta.url)('miniflare');

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The build that is deployed. */
export const BUILD = process.env.SAGE_BUILD ?? join(ROOT, 'build');
/** The build with the cargo feature `fault-injection`: it can panic, hang and live at another time. */
export const FAULT_BUILD = process.env.SAGE_FAULT_BUILD ?? join(ROOT, 'target/edge-faults');

export const INGEST_KEY = 'test-ingest-key-5f1c';
export const PUBLIC_KEY = 'test-public-key-77ab';
export const ADMIN_TOKEN = 'test-admin-token-91de';
export const SALT = 'test-salt-0123456789abcdef0123456789abcdef';

const START_MS_MAX = 30_000;
const CALL_MS_MAX = 30_000;

/**
 * A call that is about to be made, or, in phase `after`, has taken effect but is not yet known to have.
 * @typedef {{ kind: 'r2', bucket: string, op: string, key: string, phase: 'before' | 'after' }} R2Call
 * @typedef {{ kind: 'object', className: 'Shard' | 'Gold', name: string, path: string }} ObjectCall
 * What becomes of it.
 * @typedef {'ok' | 'throw' | 'hang' | 'kill' | { do?: 'ok' | 'throw' | 'hang', delayMs?: number }} Fate
 */

/**
 * What fails, decided call by call. Members may be changed while Sage runs; only the kinds given at the start are asked.
 * @typedef {{ r2?: (call: R2Call) => Fate | Promise<Fate>, objects?: (call: ObjectCall) => Fate | Promise<Fate> }} Faults
 */

/**
 * @typedef {object} SageOptions
 * @property {string} [build] Folder of the built Worker.
 * @property {string} [persist] Folder of the state; a new one, removed by `stop`, when absent.
 * @property {number} [port] A free one when absent.
 * @property {string} [origin] Where the app is.
 * @property {number} [shards]
 * @property {Record<string, unknown>} [settings] Laid over sage.toml.
 * @property {Record<string, string | undefined>} [secrets] Variables and secrets; `undefined` leaves one out.
 * @property {Faults} [faults]
 * @property {{ limit: number, period: 10 | 60 } | null} [pagesLimit] How often a network's pages may send; `null`: no binding. As in wrangler.toml when absent.
 */

/** @typedef {{ status: number, headers: Headers, text: string, json: any }} Reply */
/** @typedef {Awaited<ReturnType<typeof start>>} Sage */

/** Children by the port that they were told to listen on. @type {Map<number, (child: import('node:child_process').ChildProcess) => void>} */
const watchers = new Map();
const spawn = childProcess.spawn;
/** @type {any} */ (childProcess).spawn = (/** @type {any[]} */ ...args) => {
  const child = /** @type {any} */ (spawn)(...args);
  const address = Array.isArray(args[1]) && args[1].find((arg) => String(arg).startsWith('--socket-addr=entry='));
  if (address) watchers.get(Number(String(address).split(':').pop()))?.(child);
  return child;
};

/**
 * A port that was free a moment ago, below those that the system gives to outgoing connections: nothing takes it by chance
 * while workerd is down.
 * @returns {Promise<number>}
 */
export async function freePort() {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000);
    const free = await new Promise((resolve) => {
      const server = createServer().once('error', () => resolve(false)).listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

/**
 * Starts Sage.
 * @param {SageOptions} [options]
 * @returns {Promise<Sage>}
 */
export async function startSage(options = {}) {
  for (let tries = 1; ; tries++) {
    try {
      return await start(options);
    } catch (error) {
      // Someone was quicker to the port.
      if (options.port || tries === 5 || /** @type {any} */ (error).code !== 'ERR_ADDRESS_IN_USE') throw error;
    }
  }
}

/** @param {SageOptions} options */
async function start(options) {
  let now = { shards: 1, settings: {}, secrets: {}, build: BUILD, ...options };
  if (!existsSync(join(now.build, 'index_bg.wasm'))) throw new Error(`no built Worker in ${now.build}; run scripts/build.sh first`);
  const port = options.port ?? (await freePort());
  const persist = options.persist ?? (await mkdtemp(join(tmpdir(), 'sage-e2e-')));
  const url = `http://127.0.0.1:${port}`;
  /** Everything that workerd wrote to its standard output and error. @type {Buffer[]} */
  const output = [];
  /** @type {import('node:child_process').ChildProcess | undefined} */
  let child;
  let starts = 0;
  let stopped = false;
  watchers.set(port, (spawned) => {
    child = spawned;
    starts++;
    spawned.stdout?.on('data', (chunk) => output.push(Buffer.from(chunk)));
    spawned.stderr?.on('data', (chunk) => output.push(Buffer.from(chunk)));
  });
  const killAtExit = () => kill();
  process.once('exit', killAtExit);

  function kill() {
    if (child?.pid && child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  }

  /** @param {any} request */
  async function control(request) {
    const call = await request.json();
    const decide = call.kind === 'r2' ? now.faults?.r2 : now.faults?.objects;
    const fate = (await decide?.(call)) ?? 'ok';
    if (fate === 'kill') {
      kill();
      return new Promise(() => {});
    }
    return HostResponse.json(typeof fate === 'string' ? { do: fate } : fate);
  }

  function miniflareOptions() {
    const source = (/** @type {string} */ file) => readFileSync(join(now.build, file));
    const modules = [
      { type: 'ESModule', path: '/sage/built/index.js', contents: source('index.js').toString() },
      { type: 'CompiledWasm', path: '/sage/built/index_bg.wasm', contents: new Uint8Array(source('index_bg.wasm')) },
    ];
    if (now.faults) {
      const shell = readFileSync(new URL('faulty-worker.mjs', import.meta.url), 'utf8');
      modules.unshift({ type: 'ESModule', path: '/sage/entry.mjs', contents: shell });
    }
    const settings = { ...(now.origin === undefined ? {} : { origin: now.origin }), ...now.settings };
    const bindings = Object.fromEntries(Object.entries({
      SHARDS: String(now.shards), SAGE_INGEST_KEY: INGEST_KEY, SAGE_PUBLIC_KEY: PUBLIC_KEY, SAGE_ADMIN_TOKEN: ADMIN_TOKEN, SAGE_UID_SALT: SALT,
      ...(Object.keys(settings).length ? { SAGE_SETTINGS: JSON.stringify(settings) } : {}),
      ...now.secrets,
      ...(now.faults ? { FAULTS: Object.keys(now.faults).join(' ') } : {}),
    }).filter(([, value]) => value !== undefined));
    return convertV4MiniflareOptions({
      host: '127.0.0.1', port, cf: false, logRequests: false, log: new Log(LogLevel.NONE), handleStructuredLogs: () => {},
      resourcePersistencePath: persist, isolatedResourcePersistencePath: join(persist, 'own'),
      name: 'sage', modulesRoot: '/sage', modules, compatibilityDate: '2026-10-20', bindings,
      durableObjects: { SHARD_OBJECT: { className: 'Shard', useSQLite: true }, GOLD_OBJECT: { className: 'Gold', useSQLite: true } },
      ...(now.pagesLimit === null ? {} : { ratelimits: { PAGES_LIMIT: { namespace_id: '1001', simple: now.pagesLimit ?? { limit: 600, period: 60 } } } }),
      r2Buckets: { BRONZE: 'sage-bronze', SILVER: 'sage-silver', GOLD: 'sage-gold' },
      ...(now.faults ? { serviceBindings: { CONTROL: control } } : {}),
    });
  }

  const miniflare = new Miniflare(miniflareOptions());

  /** Ends workerd and, unless it was given, removes the state. */
  async function stop() {
    if (stopped) return;
    stopped = true;
    watchers.delete(port);
    process.off('exit', killAtExit);
    now.faults = undefined;
    await miniflare.dispose().catch(() => kill());
    if (!options.persist) await rm(persist, { recursive: true, force: true, maxRetries: 5 });
  }

  await miniflare.ready.catch(async (/** @type {unknown} */ error) => {
    await stop();
    throw error;
  });

  /**
   * A request to Sage. Throws only when Sage is out of reach or does not answer in time.
   * @param {string} path
   * @param {RequestInit & { timeoutMs?: number }} [init]
   * @returns {Promise<Reply>}
   */
  async function request(path, { timeoutMs = CALL_MS_MAX, ...init } = {}) {
    const response = await fetch(url + path, { redirect: 'manual', signal: AbortSignal.timeout(timeoutMs), ...init });
    const text = await response.text();
    let json = null;
    try {
      json = JSON.parse(text);
    } catch {}
    return { status: response.status, headers: response.headers, text, json };
  }

  /**
   * Sends events to the intake: as one event, an array or lines.
   * @param {unknown} events
   * @param {{ as?: 'json' | 'ndjson', gzip?: boolean, key?: string | null, headers?: Record<string, string>, timeoutMs?: number, path?: string }} [how]
   */
  function send(events, { as = 'json', gzip = false, key = INGEST_KEY, headers = {}, timeoutMs, path = '/sage/v1/events' } = {}) {
    const lines = as === 'ndjson' && Array.isArray(events);
    const text = lines ? events.map((event) => (typeof event === 'string' ? event : JSON.stringify(event))).join('\n') : JSON.stringify(events);
    return request(path, {
      method: 'POST', timeoutMs, body: gzip ? gzipSync(text) : text,
      headers: {
        'content-type': as === 'ndjson' ? 'application/x-ndjson' : 'application/json',
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(gzip ? { 'content-encoding': 'gzip' } : {}),
        ...headers,
      },
    });
  }

  /** The numbers. @param {string} [query] */
  async function sage(query = '') {
    const reply = await request(`/sage${query ? `?${query}` : ''}`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
    if (reply.status !== 200) throw new Error(`GET /sage answered ${reply.status}: ${reply.text.slice(0, 300)}`);
    return reply.json;
  }

  /** A bucket of the lake, past every injected fault. @param {'BRONZE' | 'SILVER' | 'GOLD'} name */
  function bucket(name) {
    return {
      /** Every object, by key. @param {string} [prefix] @returns {Promise<{ key: string, size: number, etag: string }[]>} */
      async list(prefix) {
        const r2 = await miniflare.getR2Bucket(name);
        const found = [];
        /** @type {string | undefined} */
        let cursor;
        do {
          /** @type {any} */
          const page = await r2.list({ prefix, cursor });
          found.push(...page.objects.map((/** @type {any} */ { key, size, etag }) => ({ key, size, etag })));
          cursor = page.truncated ? page.cursor : undefined;
        } while (cursor);
        return found.sort((a, b) => (a.key < b.key ? -1 : 1));
      },
      /** @param {string} key @returns {Promise<Buffer>} */
      async get(key) {
        const object = await (await miniflare.getR2Bucket(name)).get(key);
        if (!object) throw new Error(`no object ${key} in ${name}`);
        return Buffer.from(await object.arrayBuffer());
      },
      /** @param {string} key */
      async remove(key) {
        await (await miniflare.getR2Bucket(name)).delete(key);
      },
    };
  }

  /** Waits until workerd, started for at least the `count`th time, answers. @param {number} count */
  async function up(count) {
    const limit = Date.now() + START_MS_MAX;
    for (;;) {
      const live = starts >= count && child?.exitCode === null && child.signalCode === null;
      // A path that is no route: it wakes no object.
      if (live && (await request('/sage/nothing', { timeoutMs: 2_000 }).then(() => true, () => false))) return;
      if (Date.now() > limit) throw new Error('workerd did not come back');
      await sleep(20);
    }
  }

  return {
    url, port, persist, output, request, send, sage, bucket,

    /** How often workerd was started. */
    get starts() { return starts; },

    /** What workerd wrote, as text. */
    log: () => Buffer.concat(output).toString(),

    /** SIGKILL of workerd. It is started again at once; resolves when it answers. */
    async kill9() {
      const before = starts;
      kill();
      await up(before + 1);
    },

    /** Waits until a killed workerd answers again. */
    settled: (count = starts) => up(count),

    /** Starts workerd anew on the same state, perhaps with other options. @param {SageOptions} [changes] */
    async restart(changes = {}) {
      now = { ...now, ...changes, secrets: { ...now.secrets, ...changes.secrets } };
      const before = starts;
      await miniflare.setOptions(miniflareOptions());
      await up(before + 1);
    },

    /** What the platform's cron does. */
    async nightly() {
      const worker = await miniflare.getWorker();
      return worker.scheduled({ cron: '20 0 * * *', scheduledTime: new Date() });
    },

    stop,
  };
}

/**
 * Asks until the answer is neither false nor undefined.
 * @template T
 * @param {string} what
 * @param {() => T | Promise<T>} ask
 * @param {{ ms?: number, everyMs?: number }} [limits]
 * @returns {Promise<Exclude<T, undefined | false | null>>}
 */
export async function until(what, ask, { ms = 10_000, everyMs = 100 } = {}) {
  const limit = Date.now() + ms;
  /** @type {unknown} */
  let last;
  for (;;) {
    try {
      last = await ask();
      if (last !== undefined && last !== false && last !== null) return /** @type {any} */ (last);
    } catch (error) {
      last = error;
    }
    if (Date.now() > limit) throw new Error(`waited ${ms} ms for ${what}; last: ${last instanceof Error ? last.message : String(last)}`);
    await sleep(everyMs);
  }
}

/**
 * A small app to stand behind Sage.
 * @param {import('node:http').RequestListener} handler
 * @param {number} [port]
 */
export async function startOrigin(handler, port) {
  const server = createServer({ keepAliveTimeout: 60_000 }, handler);
  await new Promise((resolve, reject) => server.once('error', reject).listen(port ?? 0, '127.0.0.1', () => resolve(undefined)));
  const address = server.address();
  const at = typeof address === 'object' && address ? address.port : 0;
  return {
    port: at,
    url: `http://127.0.0.1:${at}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Random numbers that a seed repeats (mulberry32). @param {number} seed */
export function seeded(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    /** An integer of [0, below). @param {number} below */
    below: (below) => Math.floor(next() * below),
    /** @template T @param {readonly T[]} items @returns {T} */
    pick: (items) => items[Math.floor(next() * items.length)],
    /** @param {number} share */
    chance: (share) => next() < share,
  };
}

/** The Python with DuckDB, pyarrow and genai-prices that scripts/setup.sh installs. */
export const PYTHON = process.env.SAGE_PYTHON
  ?? join(process.env.SAGE_TOOLS ?? join(process.env.XDG_CACHE_HOME ?? join(process.env.HOME ?? '', '.cache'), 'sage-tools'), 'python/bin/python');

/**
 * Runs a Python script with JSON in and JSON out.
 * @param {string} script Under tests/.
 * @param {string[]} args
 * @param {{ timeoutMs?: number }} [limits]
 * @returns {Promise<any>}
 */
export function python(script, args, { timeoutMs = 120_000 } = {}) {
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: 64 << 20, timeout: timeoutMs };
    childProcess.execFile(PYTHON, [join(ROOT, 'tests', script), ...args], options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${script}: ${stderr.slice(-2000) || error.message}`));
      else resolve(JSON.parse(stdout));
    });
  });
}
