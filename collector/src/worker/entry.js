// The Worker as the runtime sees it. The build tool's own entry is a class behind two Proxies that are made anew for every
// request; a plain object does the same for less. After a panic that entry is taken once, because it starts WASM again.
import Worker, { Gold, Shard } from "./glue.js";

const state = globalThis.__worker_init_state;

const run = (name) => {
  const handler = Worker.prototype[name];
  return (argument, env, ctx) => {
    if (state.criticalError) return new Worker(ctx, env)[name](argument);
    try {
      return handler.call({ env, ctx }, argument);
    } catch (error) {
      state.criticalError ||= error instanceof WebAssembly.RuntimeError;
      throw error;
    }
  };
};

export { Gold, Shard };
export default { fetch: run("fetch"), scheduled: run("scheduled") };
