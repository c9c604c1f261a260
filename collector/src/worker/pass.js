import { tapped } from "./stream.js";

// What must go on when a panic discards the WASM instance: the reply of the app, and an answer to those who ask Sage.

/** Every header as a line `name,value`. */
export function headerList(request) {
  let text = "";
  request.headers.forEach((value, name) => { text += `${name},${value}\n`; });
  return text;
}

/** Sends `outgoing`; the app's response is the reply, unless `after` has another. A turn that the app tells in its response is
 * taken out. Either failing changes no reply. */
export function forward(outgoing, request, headers, env, context, after, watchTurns, inStreams) {
  const began = Date.now();
  const finish = (response) => {
    let reply = response;
    try {
      reply = after(request, response, headers, began, env, context) ?? response;
    } catch (error) {
      reportError(error);
    }
    const streams = inStreams && reply && isStream(reply);
    return streams || reply?.headers.has("sage-turn") ? withoutTurn(reply, streams, headers, env, context, watchTurns) : reply;
  };
  return fetch(outgoing).then(finish, () => finish(undefined) ?? new Response("The app can't be reached.", { status: 502 }));
}

const isStream = (response) => response.body !== null && Boolean(response.headers.get("content-type")?.startsWith("text/event-stream"));

/** The app's reply without `Sage-Turn`, header or event. */
function withoutTurn(response, streams, headers, env, context, watchTurns) {
  const told = response.headers.get("sage-turn") ?? undefined;
  let tap;
  try {
    tap = watchTurns(told, headers, env);
  } catch (error) {
    reportError(error);
  }
  if (streams && tap) return watched(response, tap, context);
  if (tap) context.waitUntil(tap.ended("whole"));
  if (told === undefined) return response;
  const reply = new Response(response.body, response);
  reply.headers.delete("sage-turn");
  return reply;
}

function watched(response, tap, context) {
  let settle;
  context.waitUntil(new Promise((resolve) => { settle = resolve; }));
  const reply = new Response(tapped(response.body, tap, false, settle), response);
  for (const name of ["sage-turn", "content-encoding", "content-length"]) reply.headers.delete(name);
  return reply;
}

/** The reply, or 503 when there is none in `limit_ms`. */
export function within(reply, limit_ms) {
  let timer;
  const limit = new Promise((resolve) => {
    timer = setTimeout(() => resolve(new Response(
      '{"status":503,"code":"interrupted","title":"Service Unavailable","detail":"Sage was interrupted; send the same request again"}',
      { status: 503, headers: { "content-type": "application/problem+json", "cache-control": "no-store", "retry-after": "1" } },
    )), limit_ms);
  });
  return Promise.race([reply, limit]).finally(() => clearTimeout(timer));
}
