// @ts-check
/** The demo's page: sends a message, shows the reply as its tokens arrive, takes a thumb. */

/** @typedef {{ id: string, label: string, provider: string }} Model */
/** @typedef {{ id: string, name: string, plan: string, guest: boolean }} User */
/** @typedef {import('../../snippet/sage').Call} SageCall */
/** @typedef {{ choices: { delta: { content?: string } }[], usage?: { total_tokens?: number } | null }} Chunk */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * @template {Element} T
 * @param {ParentNode} within
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
function part(within, selector, type) {
  const found = within.querySelector(selector);
  if (!(found instanceof type)) throw new Error(`the page has no ${selector}`);
  return found;
}

const modelSelect = element('model', HTMLSelectElement);
const userSelect = element('user', HTMLSelectElement);
const scroller = element('scroller', HTMLElement);
const log = element('log', HTMLElement);
const welcome = element('welcome', HTMLElement);
const composer = element('composer', HTMLFormElement);
const field = element('message', HTMLTextAreaElement);
const sendButton = element('send', HTMLButtonElement);
const stopButton = element('stop', HTMLButtonElement);
const status = element('status', HTMLElement);

/** Tells Sage, where it is in front. @param {SageCall} call */
const tell = (call) => void (window.sage ??= []).push(call);

let conversation = newId();
/** The reply under way. @type {AbortController | null} */
let streaming = null;

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param {'said-by-user' | 'said-by-model'} template */
function addTurn(template) {
  const copy = element(template, HTMLTemplateElement).content.cloneNode(true);
  const turn = part(/** @type {DocumentFragment} */ (copy), 'article', HTMLElement);
  log.append(copy);
  return turn;
}

/** Was the end of the conversation in view? Then it stays in view; someone who scrolled up to read is left in peace. */
function followsEnd() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
}

function showEnd() {
  scroller.scrollTop = scroller.scrollHeight;
}

/**
 * Shows a text with its https addresses as links.
 * @param {HTMLElement} bubble
 * @param {string} text
 */
function show(bubble, text) {
  bubble.replaceChildren(...text.split(/(https:\/\/[\w./-]*\w)/).map((piece, i) => {
    if (i % 2 === 0) return piece;
    const link = document.createElement('a');
    Object.assign(link, { href: piece, textContent: piece.replace('https://', ''), target: '_blank', rel: 'noopener noreferrer' });
    return link;
  }));
}

/**
 * The chunks of an event stream up to its `[DONE]`.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<Chunk>}
 */
async function* chunksOf(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
    const events = rest.split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const data = event.replace(/^data: ?/, '');
      if (data === '[DONE]') return;
      yield JSON.parse(data);
    }
    if (done) throw new Error('the stream ended before [DONE]');
  }
}

/**
 * @param {string} path
 * @param {unknown} body
 * @param {AbortSignal} [signal]
 */
async function post(path, body, signal) {
  const response = await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response;
}

/** @param {string} message */
async function converse(message) {
  const own = new AbortController();
  streaming = own;
  setStreaming(true);
  welcome.hidden = true;
  tell(['step', 'first_reply', 'asked']);

  part(addTurn('said-by-user'), '.bubble', HTMLElement).textContent = message;
  const turn = addTurn('said-by-model');
  const bubble = part(turn, '.bubble', HTMLElement);
  turn.setAttribute('aria-busy', 'true');
  showEnd();

  const model = modelSelect.value;
  const label = modelSelect.selectedOptions[0]?.label ?? model;
  const asked = { user: userSelect.value, conversation };
  let said = '';
  let tokens = 0;
  try {
    const response = await post('/api/chat', { ...asked, model, message }, own.signal);
    if (!response.body) throw new Error('the reply has no body');
    for await (const { choices, usage } of chunksOf(response.body)) {
      tokens = usage?.total_tokens ?? tokens;
      const piece = choices[0]?.delta.content;
      if (!piece) continue;
      const follow = followsEnd();
      said += piece;
      bubble.classList.remove('waiting');
      show(bubble, said);
      if (follow) showEnd();
    }
    tell(['step', 'first_reply', 'answered']);
    offerThumbs(turn, { ...asked, turn_index: Number(response.headers.get('x-turn-index')) });
    finish(turn, `${label} · ${tokens.toLocaleString()} tokens`);
  } catch (error) {
    bubble.classList.remove('waiting');
    if (own.signal.aborted) {
      show(bubble, said || '…');
      finish(turn, 'Stopped');
    } else {
      show(bubble, said || 'Sorry, that did not go through.');
      bubble.classList.add('broken');
      finish(turn, 'The connection broke. Please try again.');
      console.error(error);
    }
  }
  if (streaming === own) {
    streaming = null;
    setStreaming(false);
  }
}

/**
 * @param {HTMLElement} turn
 * @param {string} facts
 */
function finish(turn, facts) {
  const follow = followsEnd();
  turn.removeAttribute('aria-busy');
  part(turn, '.facts', HTMLElement).textContent = facts;
  part(turn, '.after', HTMLElement).hidden = false;
  if (follow) showEnd();
}

/**
 * @param {HTMLElement} turn
 * @param {{ user: string, conversation: string, turn_index: number }} about
 */
function offerThumbs(turn, about) {
  turn.classList.add('rateable');
  const buttons = [...turn.querySelectorAll('button')];
  for (const button of buttons) {
    button.addEventListener('click', async () => {
      if (button.getAttribute('aria-pressed') === 'true') return;
      const before = buttons.map((each) => each.getAttribute('aria-pressed') ?? 'false');
      for (const each of buttons) each.setAttribute('aria-pressed', String(each === button));
      try {
        await post('/api/feedback', { ...about, rating: button.dataset.rating });
        status.textContent = 'Thank you for the feedback.';
        tell(['step', 'first_reply', 'rated']);
      } catch (error) {
        buttons.forEach((each, i) => each.setAttribute('aria-pressed', before[i]));
        status.textContent = 'The feedback could not be sent.';
        console.error(error);
      }
    });
  }
}

/** @param {boolean} on */
function setStreaming(on) {
  const hadFocus = document.activeElement === sendButton || document.activeElement === stopButton;
  sendButton.hidden = on;
  stopButton.hidden = !on;
  if (hadFocus) (on ? stopButton : field).focus();
}

function startOver() {
  streaming?.abort();
  streaming = null;
  setStreaming(false);
  conversation = newId();
  log.replaceChildren();
  welcome.hidden = false;
  status.textContent = 'New conversation.';
}

function submit() {
  const message = field.value.trim();
  if (!message || streaming || !modelSelect.value) return;
  field.value = '';
  void converse(message);
}

/**
 * @param {HTMLSelectElement} select
 * @param {{ value: string, label: string }[]} options
 */
function fill(select, options) {
  select.replaceChildren(...options.map(({ value, label }) => new Option(label, value)));
}

composer.addEventListener('submit', (event) => {
  event.preventDefault();
  submit();
});
field.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
stopButton.addEventListener('click', () => streaming?.abort());
element('new', HTMLButtonElement).addEventListener('click', () => {
  startOver();
  field.focus();
});
userSelect.addEventListener('change', startOver);
for (const button of welcome.querySelectorAll('button')) {
  button.addEventListener('click', () => {
    if (streaming) return;
    field.value = button.textContent ?? '';
    submit();
    field.focus();
  });
}

tell(['open']);
try {
  const [models, users] = await Promise.all(['/api/models', '/api/users'].map(async (path) => (await fetch(path)).json()));
  fill(modelSelect, /** @type {{ models: Model[] }} */ (models).models.map(({ id, label }) => ({ value: id, label })));
  fill(userSelect, /** @type {{ users: User[] }} */ (users).users.map(({ id, name, plan, guest }) => ({ value: id, label: guest ? name : `${name}, ${plan}` })));
} catch (error) {
  status.textContent = 'The demo server does not answer.';
  console.error(error);
}

export {};
