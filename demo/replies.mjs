// @ts-check
/** What the demo's models say: canned words of our own, and usage blocks that real providers sent. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A usage block as its provider sent it. @typedef {Record<string, unknown>} ProviderUsage */
/** @typedef {{ provider: string, model: string, usage: ProviderUsage }} Replay */
/** @typedef {{ id: string, provider: string, label: string }} Model */

/** @type {Replay[]} */
const REPLAYS = JSON.parse(readFileSync(new URL('data/replies.json', import.meta.url), 'utf8'));

/** @type {Record<string, string>} */
const LABELS = {
  'gpt-4o-2024-08-06': 'GPT-4o',
  'gpt-5-mini-2025-08-07': 'GPT-5 mini',
  'gpt-5-2025-08-07': 'GPT-5',
  'claude-haiku-4-5-20251001': 'Claude Haiku 4.5',
  'claude-sonnet-4-5-20250929': 'Claude Sonnet 4.5',
  'claude-sonnet-4-6': 'Claude Sonnet 4.6',
};

/** The models on offer, in the order of the replays. @type {readonly Model[]} */
export const MODELS = [...new Map(REPLAYS.map(({ model, provider }) => [model, { id: model, provider, label: LABELS[model] ?? model }])).values()];

const CRISIS = /suicid|kill(ing)? my ?self|end(ing)? (it all|my life)|(want|wish|going) to die|wish i (was|were) dead|better off (dead|without me)|(hurt|cutt?|harm)(ing)? my ?self|self[- ]?harm|no reason to (live|go on)|don.?t want to (live|be here|be alive|exist)|can.?t go on|overdos/i;

const CRISIS_REPLY = `I’m really glad you said that here. It sounds as if you are carrying something very heavy, and you don’t have to carry it alone.

I’m an automated demo, so I can’t keep you safe, but there are people who can listen right now:

• US & Canada: call or text 988, at any hour
• UK & Ireland: Samaritans, call 116 123, free
• Anywhere else: https://findahelpline.com lists free lines by country
• If you are in danger right now: your local emergency number (911, 112, 999)

Is there someone near you, a friend, a neighbour, who could stay with you while you call?`;

/** Topics in order of precedence; of several texts one is picked by the message. @type {{ when: RegExp, say: string[] }[]} */
const TOPICS = [
  { when: /panic|anxi|scared|afraid|racing heart|overthink|worr(y|ied)/i, say: [
    `That sounds frightening, and it makes sense that you want it to stop. A wave of anxiety usually peaks and then passes, often within minutes.

Let’s come back to the room together. Name five things you can see, four you can touch, three you can hear, two you can smell, one you can taste. Go slowly. There is no prize for finishing.`,
  ] },
  { when: /sleep|insomnia|awake|tired|bed ?time|nightmare/i, say: [
    `Lying awake is lonely work. One thing that helps many people: if you have been awake for about twenty minutes, get up, keep the light low and do something a little dull until you feel drowsy.

It teaches your mind that bed is for sleeping, not for trying to sleep. Would you like a short wind-down for tonight?`,
    `Let’s make tonight easier rather than perfect. Pick a time to stop screens, write tomorrow’s three worries on paper, then let your breath out be longer than your breath in, ten times.

If poor sleep has been with you for more than a few weeks, a doctor can do more for it than most people expect.`,
  ] },
  { when: /breath|calm|relax|medita|ground/i, say: [
    `Gladly. Let your shoulders drop. Breathe in through your nose for four… hold for four… out for six. Again: in for four… hold for four… out for six.

Three more like that, at your own pace. The long breath out is the part that tells your body it is safe to slow down. How do you feel now?`,
    `Let’s take one quiet minute. Put a hand on your belly and let it rise as you breathe in, and fall as you breathe out. When your mind wanders, and it will, just come back to the hand.

Wandering isn’t failing. Coming back is the whole exercise.`,
  ] },
  { when: /stress|overwhelm|burn(ed|t)? ?out|too much|deadline|exam|boss|work/i, say: [
    `That is a lot to hold at once. Shall we make it smaller? Write down everything that is pulling at you, then circle the one thing that truly has to happen today. Only that one.

The rest can wait on the paper. What would you circle?`,
    `When everything is urgent, the body thinks it is being chased. Try this before the next task: stand up, shake out your hands, and look at something far away for half a minute.

Then ask yourself which part of this is yours to carry, and which part you could hand back.`,
  ] },
  { when: /lonel|alone|no friends|isolat|miss (him|her|them|my)/i, say: [
    `Feeling alone can ache as much as anything physical. Thank you for telling me. I’m only a program, so I won’t pretend to be a friend, but I can help you take a step towards one.

Who is someone you have thought of lately? A message of one line, "you crossed my mind today", is often more welcome than we expect.`,
  ] },
  { when: /\bsad\b|depress|\blow\b|\bdown\b|hopeless|cry|empty|numb|grief/i, say: [
    `I’m sorry it feels so grey. You don’t have to cheer up for me. On days like this, small counts: a glass of water, a window opened, five minutes outside.

If this has lasted for two weeks or more, it deserves proper care, and talking with a doctor or a counsellor is a good, ordinary thing to do. What has been hardest today?`,
  ] },
  { when: /angry|furious|\bmad\b|argu|fight|irritat|annoy/i, say: [
    `Anger often stands guard in front of something softer: hurt, fear, being treated unfairly. No need to push it away.

Give it somewhere to go first. A brisk walk, cold water on your wrists, or writing the message you won’t send. Then: what did you need in that moment that you didn’t get?`,
  ] },
  { when: /thank|helped|better now|feel(ing)? better/i, say: [
    `I’m glad. That was you doing the work. If you like, note in one sentence what helped, so that it is there on a harder day. I hope the rest of your day is gentle.`,
  ] },
  { when: /^\s*(hi|hey|hello|good (morning|evening|afternoon))\b/i, say: [
    `Hello, and welcome. I’m a small demo companion with a handful of prepared replies about breathing, sleep and stress.

How are you arriving today, in one word?`,
  ] },
];

const OTHERWISE = [
  `Thank you for sharing that. Before we look for an answer, where do you notice it in your body? Shoulders, chest, stomach? Sometimes simply noticing takes the edge off.

I have only prepared replies here, so tell me: would sleep, breathing or stress be the most useful place to start?`,
  `I hear you. Here is a small thing that is nearly always kind: put both feet on the floor, let your jaw loosen, and take one slow breath before you read on.

Now, if a good friend had told you what you just told me, what would you say to them?`,
];

/**
 * The reply to a message; the same message always gets the same one.
 * @param {string} message
 * @returns {string}
 */
export function replyTo(message) {
  if (CRISIS.test(message)) return CRISIS_REPLY;
  const say = TOPICS.find(({ when }) => when.test(message))?.say ?? OTHERWISE;
  return say[hash(message) % say.length];
}

/**
 * One of the usage blocks that the model's provider once sent, picked by `salt`.
 * @param {string} model
 * @param {string} salt
 * @returns {ProviderUsage}
 */
export function usageOf(model, salt) {
  const of = REPLAYS.filter((replay) => replay.model === model);
  return of[hash(salt) % of.length].usage;
}

/**
 * Cuts a text into pieces of about a model's token. Joined, they are the text.
 * @param {string} text
 * @returns {string[]}
 */
export function tokensOf(text) {
  return text.match(/\s*(?:[\p{L}\p{M}\p{N}'’]{1,8}|\S)|\s+/gu) ?? [];
}

/**
 * Usage in the shape of OpenAI's chat API, which is what this app's page understands. Anthropic counts cache reads and writes
 * beside its input tokens, OpenAI within them.
 * @param {ProviderUsage} usage
 */
export function openAiUsage(usage) {
  if ('prompt_tokens' in usage) return usage;
  /** @param {unknown} value */
  const count = (value) => (typeof value === 'number' ? value : 0);
  const cached = count(usage.cache_read_input_tokens);
  const written = count(usage.cache_creation_input_tokens);
  const prompt = count(usage.input_tokens) + cached + written;
  const completion = count(usage.output_tokens);
  const details = /** @type {{ thinking_tokens?: number } | undefined} */ (usage.output_tokens_details);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached, cache_write_tokens: written },
    completion_tokens_details: { reasoning_tokens: count(details?.thinking_tokens) },
  };
}

/**
 * A number of 32 bits that depends on every character.
 * @param {string} text
 */
function hash(text) {
  return createHash('sha256').update(text).digest().readUInt32BE(0);
}
