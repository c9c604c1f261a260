// @ts-check
/** The Vercel AI SDK, as its registry has it, against its provider and against Sage; see gateway_record.mjs. */
import { createOpenAI } from '@ai-sdk/openai';
import { embedMany, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

import { all, events, run } from './gateway_record.mjs';

await run(async (base, { key, headers, said, only }) => {
  const openai = createOpenAI({ baseURL: `${base}/v1`, apiKey: key, headers });
  const turn = (/** @type {number} */ number) => ({ headers: { 'Sage-Turn': String(number) } });
  const weather = tool({ description: said, inputSchema: z.object({ place: z.string() }), execute: async () => said });
  const told = (/** @type {any} */ { text, finishReason, usage, toolCalls, response, steps }) => ({
    text, finishReason, usage, toolCalls, id: response.id, model: response.modelId, body: response.body, headers: Object.entries(response.headers ?? {}).sort(), steps: steps?.length,
  });
  const streamed = async (/** @type {any} */ model, /** @type {number} */ number) => {
    /** @type {unknown[]} */
    const failures = [];
    const stream = streamText({ model, prompt: said, ...turn(number), onError: ({ error }) => { failures.push(/** @type {any} */ (error).name); } });
    const texts = await events(stream.textStream);
    return [texts, failures, await stream.usage.then((usage) => usage, (error) => error.name), await stream.finishReason.then((reason) => reason, (error) => error.name)];
  };
  /** @type {Record<string, () => Promise<unknown>>} */
  const calls = {
    'chat': async () => told(await generateText({ model: openai.chat('gpt-4o'), prompt: said, ...turn(0) })),
    'responses': async () => told(await generateText({ model: openai('gpt-4o'), prompt: said, ...turn(1) })),
    'chat stream': () => streamed(openai.chat('gpt-4o'), 2),
    'responses stream': () => streamed(openai('gpt-4o'), 3),
    'chat tools': async () => told(await generateText({ model: openai.chat('gpt-4o'), prompt: said, tools: { weather }, stopWhen: stepCountIs(2), ...turn(4) })),
    'responses tools': async () => told(await generateText({ model: openai('gpt-4o'), prompt: said, tools: { weather }, stopWhen: stepCountIs(2), ...turn(5) })),
    'embeddings': async () => {
      const { embeddings, usage } = await embedMany({ model: openai.embedding('text-embedding-3-small'), values: [said], ...turn(6) });
      return { embeddings, usage };
    },
    'chat stream broken': () => streamed(openai.chat('gpt-4o-broken'), 7),
    'refused': () => generateText({ model: openai.chat('error-429-gpt'), prompt: said, ...turn(8) }),
    'wrong key': () => generateText({ model: openai.chat('error-401-gpt'), prompt: said, ...turn(9) }),
    'failed': () => generateText({ model: openai('error-500-gpt'), prompt: said, maxRetries: 0, ...turn(10) }),
  };
  return all(calls, only);
});
