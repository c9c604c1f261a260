// @ts-nocheck It runs in workerd, beside modules that exist only there.
// The built Worker with a thin shell around its objects that fails when a test says so. Never deployed: tests/lib/sage.mjs
// puts it in front of the build in place of the build's own entry. Before and after every call to R2, and before every call
// to an object, it asks the test (binding CONTROL) what to do.
import * as built from './built/index.js';

export * from './built/index.js';
export { default } from './built/index.js';

const R2_CALLS = new Set(['head', 'get', 'put', 'delete', 'list', 'createMultipartUpload']);
const HANG_MS = 600_000;

/**
 * Asks the test. `throw` fails the call; `hang` never ends it; a number waits that many milliseconds.
 * @param {any} env
 * @param {Record<string, unknown>} question
 */
async function obey(env, question) {
  const answer = await (await env.CONTROL.fetch('http://control/', { method: 'POST', body: JSON.stringify(question) })).json();
  if (answer.delayMs) await scheduler.wait(answer.delayMs);
  if (answer.do === 'hang') await scheduler.wait(HANG_MS);
  if (answer.do === 'throw') throw new Error('injected fault');
}

/** @param {any} env @param {string} name @param {any} bucket */
function faultyBucket(env, name, bucket) {
  return new Proxy(bucket, {
    get(target, member) {
      const value = Reflect.get(target, member, target);
      // `constructor` stays what it is: the built Worker recognises bindings by its name.
      if (typeof value !== 'function' || member === 'constructor') return value;
      if (!R2_CALLS.has(String(member))) return value.bind(target);
      return async (/** @type {any[]} */ ...args) => {
        const call = { kind: 'r2', bucket: name, op: member, key: typeof args[0] === 'string' ? args[0] : JSON.stringify(args[0] ?? null) };
        await obey(env, { ...call, phase: 'before' });
        const result = await value.apply(target, args);
        await obey(env, { ...call, phase: 'after' });
        return result;
      };
    },
  });
}

/** @param {any} env */
function faultyEnv(env) {
  if (!env.FAULTS.includes('r2')) return env;
  const wrapped = { ...env };
  for (const name of ['BRONZE', 'SILVER', 'GOLD']) {
    if (env[name]) wrapped[name] = faultyBucket(env, name, env[name]);
  }
  return wrapped;
}

/** @param {any} Real @param {string} className */
function faultyObject(Real, className) {
  return class {
    /** @param {any} context @param {any} env */
    constructor(context, env) {
      this.env = env;
      this.name = context.id.name ?? context.id.toString();
      this.real = new Real(context, faultyEnv(env));
    }
    /** @param {string} path */
    async obey(path) {
      if (this.env.FAULTS.includes('objects')) await obey(this.env, { kind: 'object', className, name: this.name, path });
    }
    /** @param {Request} request */
    async fetch(request) {
      await this.obey(new URL(request.url).pathname);
      return this.real.fetch(request);
    }
    /** @param {unknown} info */
    async alarm(info) {
      await this.obey('alarm');
      return this.real.alarm(info);
    }
  };
}

export const Shard = faultyObject(built.Shard, 'Shard');
export const Gold = faultyObject(built.Gold, 'Gold');
