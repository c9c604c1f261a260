// @ts-check
/** What calls gave, as JSON: as gateway_record.py does it, for drivers in JavaScript. */

/** Calls `record(base, given)` for each base and prints what it returned. @param {(base: string, given: any) => Promise<Record<string, unknown>>} record */
export async function run(record) {
  const given = JSON.parse(process.argv[2] ?? '');
  /** @type {Record<string, unknown>} */
  const found = {};
  for (const [name, base] of Object.entries(given.bases)) found[name] = await record(String(base), given);
  console.log(JSON.stringify(found));
}

/** Makes calls one after the other; `only` one of them where it is named. @param {Record<string, () => Promise<unknown>>} calls @param {string} [only] */
export async function all(calls, only) {
  /** @type {Record<string, unknown>} */
  const found = {};
  for (const [name, call] of Object.entries(calls)) if (!only || only === name) found[name] = await made(call);
  return found;
}

/** What a call gave, or how it failed. @param {() => Promise<unknown>} call */
async function made(call) {
  try {
    return await call();
  } catch (error) {
    const { message, status, statusCode, code, type, requestID, headers, responseHeaders, responseBody, errors } = /** @type {any} */ (error);
    const heard = headers ?? (responseHeaders && new Headers(responseHeaders));
    return { error: /** @type {any} */ (error).constructor.name, message, status: status ?? statusCode, code, type, request_id: requestID, text: responseBody, attempts: errors?.length, headers: heard && [...heard].sort() };
  }
}

/** A raw response. @param {Response} response */
export const raw = async (response) => ({ status: response.status, headers: [...response.headers].sort(), text: await response.text() });

/** A stream's events, or those before it broke. @param {AsyncIterable<any>} stream @param {(event: any) => unknown} [seen] */
export async function events(stream, seen = (event) => event) {
  /** @type {unknown[]} */
  const found = [];
  try {
    for await (const event of stream) found.push(seen(event));
  } catch (error) {
    found.push({ broke: /** @type {any} */ (error).constructor.name });
  }
  return found;
}
