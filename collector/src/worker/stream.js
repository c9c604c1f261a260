// What moves the bytes of replies that are read as they pass. Sage may fail at any point of it: the reply goes on.

/** Runs what Sage does beside a reply; when it fails, the reply is as it would be without. */
function aside(work) {
  try {
    return work();
  } catch (error) {
    reportError(error);
    return undefined;
  }
}

/** The bytes of `body`, each chunk shown to `tap` as it passes; `tap` may have other bytes pass instead. When the reader
 * leaves, the rest is read all the same if `drains`. `settle` takes the promise of what is left to do at the end. */
export function tapped(body, tap, drains, settle) {
  const reader = body.getReader();
  const end = (how) => settle(aside(() => tap.ended(how)));
  let left = false;
  // One read at a time: the one that the reader left behind is taken over.
  let reading;
  const next = async () => {
    const read = await (reading ??= reader.read());
    reading = undefined;
    return read;
  };
  const drain = async () => {
    for (let read = await next(); !read.done; read = await next()) aside(() => tap.push(read.value));
  };
  return new ReadableStream({
    async pull(controller) {
      for (;;) {
        let read;
        try {
          read = await next();
        } catch (error) {
          if (left) return;
          end("broken");
          controller.error(error);
          return;
        }
        if (left) return;
        if (read.done) {
          const rest = aside(() => tap.rest());
          if (rest?.length) controller.enqueue(rest);
          controller.close();
          // After the last bytes have gone.
          setTimeout(() => end("whole"), 0);
          return;
        }
        const bytes = aside(() => tap.push(read.value)) ?? read.value;
        if (bytes.length) {
          controller.enqueue(bytes);
          return;
        }
      }
    },
    async cancel(reason) {
      left = true;
      try {
        if (drains) await within(drain(), DRAIN_MS_MAX);
        await reader.cancel(reason);
      } catch {
        // The provider has gone, too.
      }
      end("left");
    },
  }, { highWaterMark: 0 });
}

/** Waits for `promise`, at most `limit_ms`. */
function within(promise, limit_ms) {
  let timer;
  const limit = new Promise((resolve) => { timer = setTimeout(resolve, limit_ms); });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

const ADMIT_MS_MAX = 3_000;
/** How long after its caller has gone a reply is read: the platform gives 30 s, and the turn is to be stored. */
const DRAIN_MS_MAX = 20_000;

/** Passes a call on to a model provider and its reply back. `call` reads what passes; it may be lost on the way. */
export async function relay(request, call, url, keptBack, readBytesMax, drains, asksBudget, refusesUnasked, context) {
  let settle;
  context.waitUntil(new Promise((resolve) => { settle = resolve; }));
  try {
    const headers = new Headers(request.headers);
    for (const name of keptBack.split(",")) if (name) headers.delete(name);
    headers.set("accept-encoding", "identity");
    const asked = new Uint8Array(await request.arrayBuffer());
    // WASM memory never shrinks.
    const asking = asked.length <= readBytesMax ? aside(() => call.readAsk(asked)) : undefined;
    if (asksBudget) {
      const admission = await within(aside(() => call.admit()), ADMIT_MS_MAX).catch(() => undefined);
      if (admission !== true && (admission instanceof Response || refusesUnasked)) {
        aside(() => call.free());
        settle();
        return admission || unasked();
      }
    }
    const send = (body) => fetch(url, { method: request.method, headers, body, redirect: "manual" });
    let response;
    try {
      response = await send(asking ?? asked);
      // A provider that does not know how to be asked for usage gets the caller's own words.
      if (asking && response.status === 400 && (await response.clone().text()).includes("stream_options")) response = await send(asked);
    } catch {
      settle(aside(() => call.unreachable()));
      return unreachable();
    }
    const tap = aside(() => call.answered(response.status, response.headers.get("content-type") ?? ""));
    if (!tap) {
      settle();
      return response;
    }
    if (!response.body) {
      settle(aside(() => tap.ended("whole")));
      return response;
    }
    return new Response(tapped(response.body, tap, drains, settle), response);
  } catch (error) {
    settle();
    throw error;
  }
}

/** Passes a request on that runs no model: unread, with the host's own stream both ways. */
export function passOn(request, url, keptBack) {
  const headers = new Headers(request.headers);
  for (const name of keptBack.split(",")) if (name) headers.delete(name);
  return fetch(url, { method: request.method, headers, body: request.body, redirect: "manual" }).catch(unreachable);
}

function problem(status, code, title, detail, headers) {
  const body = JSON.stringify({ status, code, title, detail, error: { type: code, code, message: detail } });
  return new Response(body, { status, headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...headers } });
}

const unasked = () => problem(503, "budget_unreachable", "Service Unavailable", "the budget could not be asked; send the call again", { "retry-after": "2" });
// How long to wait is the caller's own choice, as it is without Sage.
const unreachable = () => problem(502, "provider_unreachable", "Bad Gateway", "the model provider could not be reached");
