// @ts-check
/** Where Sage is and which key opens it: options first, then the environment, then the checkout's `.dev.vars`. */
import { readFileSync } from 'node:fs';

export const SAGE_URL_DEFAULT = 'http://127.0.0.1:8787';

/**
 * The ingest key from the environment or, failing that, from `.dev.vars` at the root of the checkout.
 * @returns {string | undefined}
 */
export function findIngestKey() {
  return find('SAGE_INGEST_KEY');
}

/** Likewise the public key, which the page carries. @returns {string | undefined} */
export function findPublicKey() {
  return find('SAGE_PUBLIC_KEY');
}

/** @param {string} name @returns {string | undefined} */
function find(name) {
  return process.env[name] || readDevVars(new URL('../.dev.vars', import.meta.url))[name] || undefined;
}

/**
 * @param {URL} file
 * @returns {Record<string, string>} empty when there is no such file
 */
function readDevVars(file) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return {};
  }
  return parseDevVars(text);
}

/**
 * Reads lines of `NAME=value`, `NAME="value"` or `NAME='value'`; other lines are passed over.
 * @param {string} text
 * @returns {Record<string, string>}
 */
export function parseDevVars(text) {
  /** @type {Record<string, string>} */
  const vars = {};
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^#]*?))\s*(?:#.*)?$/.exec(line);
    if (match) vars[match[1]] = match[2] ?? match[3] ?? match[4];
  }
  return vars;
}
