// @ts-check
// uap-core's own cases, out of the crate of its official reader.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** @typedef {{ user_agent_string: string, family: string, major: string | null, minor: string | null, patch: string | null, patch_minor: string | null }} Case */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The folder of uap-core: what cargo has fetched. */
export function folder() {
  const told = JSON.parse(execFileSync('cargo', ['metadata', '--format-version=1', '--locked'], { cwd: ROOT, maxBuffer: 64 << 20 }).toString());
  const crate = told.packages.find((/** @type {any} */ one) => one.name === 'ua-parser');
  return join(dirname(crate.manifest_path), 'uap-core');
}

/**
 * The cases of a file: a list of flat objects, one value a line, quoted or empty.
 * @param {string} file @returns {Case[]}
 */
export function cases(file) {
  /** @type {any[]} */ const found = [];
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [, dash, key = '', written = ''] = /^\s*(-)?\s*(\w+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (!key || key === 'test_cases' || line.trimStart().startsWith('#')) continue;
    if (dash) found.push({ major: null, minor: null, patch: null, patch_minor: null });
    found.at(-1)[key] = scalar(written);
  }
  return found;
}

/** @param {string} written */
function scalar(written) {
  const single = /^'((?:[^']|'')*)'/.exec(written)?.[1];
  if (single !== undefined) return single.replaceAll("''", "'") || null;
  const double = /^"(?:[^"\\]|\\.)*"/.exec(written)?.[0];
  if (double !== undefined) return JSON.parse(double) || null;
  return written.replace(/\s+#.*$/, '') || null;
}

/** Files of cases, what they are about and how many they hold. @type {[string, 'browser' | 'os', number][]} */
export const LISTS = [
  ['tests/test_ua.yaml', 'browser', 1460],
  ['test_resources/firefox_user_agent_strings.yaml', 'browser', 244],
  ['test_resources/pgts_browser_list.yaml', 'browser', 12500],
  ['test_resources/opera_mini_user_agent_strings.yaml', 'browser', 203],
  ['test_resources/podcasting_user_agent_strings.yaml', 'browser', 144],
  ['tests/test_os.yaml', 'os', 468],
  ['test_resources/additional_os_tests.yaml', 'os', 23],
];
