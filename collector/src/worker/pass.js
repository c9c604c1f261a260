// What must go on when a panic discards the WASM instance: the reply of the app, and an answer to those who ask Sage.

/** Every header as a line `name,value`. */
export function headerList(request) {
  let text = "";
  request.headers.forEach((value, name) => { text += `${name},${value}\n`; });
  return text;
}

/** Sends `outgoing`; the app's response is the reply, unless `after` has another. `after` failing changes no reply. */
export function forward(outgoing, request, headers, env, context, after) {
  const began = Date.now();
  const finish = (response) => {
    try {
      return after(request, response, headers, began, env, context) ?? response;
    } catch (error) {
      reportError(error);
      return response;
    }
  };
  return fetch(outgoing).then(finish, () => finish(undefined) ?? new Response("The app can't be reached.", { status: 502 }));
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
