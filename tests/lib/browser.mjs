// @ts-check
// The real browser that the set-up script has found or installed.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** @param {Omit<import('playwright-core').LaunchOptions, 'executablePath' | 'args'>} [options] */
export function launchBrowser(options = {}) {
  const found = execFileSync('bash', ['-c', 'source scripts/tools.sh; find_browser'], { cwd: ROOT, encoding: 'utf8' }).trim();
  return chromium.launch({ ...options, executablePath: found, args: ARGS });
}
