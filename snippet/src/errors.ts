/** Errors that nothing in the page caught. */

/** Errors of one page that are told: one that is broken in a loop must not drown the others. */
const TOLD_MAX = 50;
/** Names that a program gives to its errors, not sentences. */
const NAME = /^[\w.:-]{1,64}$/;
/** The word that a script's file begins with: the same from build to build, unlike the digest that follows it. */
const SCRIPT = /\/([a-z_]{2,40})[\w.-]*\.m?js(?:[?#]|$)/i;

type Tell = (component: string, code: string, message?: string) => void;

export function watchErrors(tell: Tell): void {
  let told = 0;
  const say: Tell = (...error) => told++ < TOLD_MAX && tell(...error);
  const nameOf = (thrown: unknown, otherwise: string) => {
    const { name, message } = (thrown ?? {}) as Partial<Error>;
    return [NAME.test(String(name ?? '')) ? String(name) : otherwise, typeof message === 'string' ? message : undefined] as const;
  };
  // Scripts, styles and images that do not load tell it only on their way down.
  addEventListener('error', (event) => {
    const { target, filename, error } = event;
    if (target instanceof Element) return say('resource', target.localName);
    say(SCRIPT.exec(filename)?.[1] ?? 'page', ...nameOf(error, error ? 'Error' : 'ScriptError'));
  }, true);
  addEventListener('unhandledrejection', ({ reason }) => say('promise', ...nameOf(reason, 'UnhandledRejection')));
}
