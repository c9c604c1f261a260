// What pages get: their texts are put in by the build, so that the WASM does not carry them.
/* global SAGE_SCRIPTS */

const HEADERS = {
  "content-type": "text/javascript; charset=utf-8",
  "cache-control": "public, max-age=3600",
  "x-content-type-options": "nosniff",
  // Pages of other origins, isolated ones too, may load it, as a module or with an integrity check.
  "access-control-allow-origin": "*",
  "cross-origin-resource-policy": "cross-origin",
};

/** The script at a path; `undefined`: there is none. */
export function script(request, path) {
  const found = SAGE_SCRIPTS[path.slice("/sage/".length)];
  if (!found) return undefined;
  const headers = { ...HEADERS, etag: found.etag };
  const known = request.headers.get("if-none-match")?.split(",").some((tag) => tag.trim().replace(/^W\//, "") === found.etag);
  if (known) return new Response(null, { status: 304, headers });
  return new Response(request.method === "HEAD" ? null : found.text, { headers });
}

/** False: this key came too often. */
export async function withinRate(env, key) {
  try {
    return (await env.PAGES_LIMIT?.limit({ key }))?.success ?? true;
  } catch {
    return true;
  }
}
