// @ts-check
// What an isolate holds, by its inspector.

import { setTimeout as sleep } from 'node:timers/promises';

const ANSWER_MS_MAX = 10_000;

/**
 * @typedef {object} IsolateMemory Bytes, after garbage was collected.
 * @property {number} heap V8's heap, with what the runtime's own objects hold.
 * @property {number} buffers What lies behind ArrayBuffers, WASM memory not among it.
 * @property {number} wasm WASM memory; it never shrinks.
 */

/**
 * Asks workerd's inspector. `wake` makes the isolate run: the runtime answers some questions only then.
 * @param {number} port @param {() => Promise<unknown>} wake
 * @returns {Promise<IsolateMemory>}
 */
export async function isolateMemory(port, wake) {
  const [target] = /** @type {any[]} */ (await (await fetch(`http://127.0.0.1:${port}/json`)).json());
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
  /** @type {Map<number, (result: any) => void>} */ const asked = new Map();
  let contextId = 0;
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    contextId ||= message.params?.context?.id ?? 0;
    asked.get(message.id)?.(message);
  };
  const call = async (/** @type {string} */ method, params = {}) => {
    const id = asked.size + 1;
    /** @type {any} */ let answer;
    asked.set(id, (message) => { answer = message; });
    socket.send(JSON.stringify({ id, method, params }));
    // Again and again: the isolate may have run before the question arrived.
    for (const until = Date.now() + ANSWER_MS_MAX; !answer && Date.now() < until; await sleep(5)) await wake();
    const { result, error } = answer ?? { error: { message: 'no answer' } };
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  };
  try {
    await call('Runtime.enable');
    await call('HeapProfiler.collectGarbage');
    const { totalSize = 0, embedderHeapUsedSize = 0, backingStorageSize = 0 } = await call('Runtime.getHeapUsage');
    const kind = await call('Runtime.evaluate', { expression: 'WebAssembly.Memory.prototype', contextId });
    const { objects } = await call('Runtime.queryObjects', { prototypeObjectId: kind.result.objectId });
    const sum = 'function () { return this.reduce((sum, memory) => sum + memory.buffer.byteLength, 0); }';
    const { result } = await call('Runtime.callFunctionOn', { objectId: objects.objectId, functionDeclaration: sum, returnByValue: true });
    return { heap: totalSize + embedderHeapUsedSize, buffers: backingStorageSize, wasm: result.value };
  } finally {
    socket.close();
  }
}
