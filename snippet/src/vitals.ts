/** Web vitals, one of each a page view. */

import { onCLS, onFCP, onINP, onLCP, onTTFB, type Metric } from 'web-vitals';

/** Tells each vital when its value is known: at the latest when the page is first hidden, which may be the last that is heard of it. */
export function watchVitals(tell: (vital: { name: string; value: number; url: string }) => void): void {
  // That of the document, as browsers' own statistics have it, whatever the app shows since.
  let url = location.pathname;
  addEventListener('pageshow', ({ persisted }) => { if (persisted) url = location.pathname; }, true);
  const told = new Set<string>();
  const report = ({ id, name, value }: Metric) => {
    if (told.has(id)) return;
    told.add(id);
    const steps = name === 'CLS' ? 10_000 : 1;
    tell({ name: name.toLowerCase(), value: Math.round(value * steps) / steps, url });
  };
  for (const on of [onTTFB, onFCP, onLCP, onCLS, onINP]) on(report);
}
