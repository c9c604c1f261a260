// @ts-check
/** OpenAI's package for JavaScript, as its registry has it, against its provider and against Sage; see gateway_record.mjs. */
import OpenAI from 'openai';

import { all, events, raw, run } from './gateway_record.mjs';

const parameters = { type: 'object', properties: { place: { type: 'string' } }, required: ['place'], additionalProperties: false };
/** @type {OpenAI.Chat.Completions.ChatCompletionFunctionTool} */
const TOOL = { type: 'function', function: { name: 'weather', parameters } };
/** @type {OpenAI.Responses.FunctionTool} */
const RESPONSES_TOOL = { type: 'function', name: 'weather', parameters, strict: true };

await run(async (base, { key, headers, said, only, retries }) => {
  const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: key, defaultHeaders: headers, maxRetries: retries });
  const { chat: { completions: chat }, responses, embeddings } = client;
  const turn = (/** @type {number} */ number) => ({ headers: { 'Sage-Turn': String(number) } });
  const once = (/** @type {number} */ number) => ({ ...turn(number), maxRetries: 0 });
  /** @type {{ model: string, messages: OpenAI.Chat.Completions.ChatCompletionMessageParam[], user: string }} */
  const ask = { model: 'gpt-4o', messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: said }], user: said };
  const told = { model: 'gpt-4o', input: said, instructions: said };
  const of = (/** @type {string} */ model) => ({ ...ask, model });
  const embed = { model: 'text-embedding-3-small', input: [said] };
  const withTool = async () => {
    const first = await chat.create({ ...ask, tools: [TOOL] }, turn(8));
    const message = first.choices[0]?.message ?? { role: /** @type {const} */ ('assistant'), content: null };
    /** @type {OpenAI.Chat.Completions.ChatCompletionToolMessageParam[]} */
    const answers = (message.tool_calls ?? []).map((call) => ({ role: 'tool', tool_call_id: call.id, content: said }));
    return [first, await chat.create({ ...ask, messages: [...ask.messages, message, ...answers], tools: [TOOL] }, turn(9))];
  };
  const helper = async () => {
    const stream = chat.stream({ ...ask }, turn(7));
    return [await events(stream), await stream.finalChatCompletion()];
  };
  const responsesHelper = async () => {
    const stream = responses.stream({ ...told }, turn(19));
    return [await events(stream, (event) => event.type), await stream.finalResponse()];
  };
  /** @type {Record<string, () => Promise<unknown>>} */
  const calls = {
    'chat': () => chat.create(ask, turn(0)),
    'chat raw': async () => raw(await chat.create(ask, turn(1)).asResponse()),
    'chat stream': async () => events(await chat.create({ ...ask, stream: true }, turn(2))),
    'chat stream with usage': async () => events(await chat.create({ ...ask, stream: true, stream_options: { include_usage: true } }, turn(3))),
    'chat stream without usage': async () => events(await chat.create({ ...ask, stream: true, stream_options: { include_usage: false } }, turn(4))),
    'chat stream raw': async () => raw(await chat.create({ ...ask, stream: true }, turn(5)).asResponse()),
    'chat stream raw with usage': async () => raw(await chat.create({ ...ask, stream: true, stream_options: { include_usage: true } }, turn(6)).asResponse()),
    'chat stream helper': helper,
    'chat tools': withTool,
    'chat tools stream': async () => events(await chat.create({ ...ask, tools: [TOOL], stream: true }, turn(10))),
    'chat priority': () => chat.create({ ...ask, service_tier: 'priority' }, turn(11)),
    'chat compressed': () => chat.create(of('zipped-gpt-4o'), turn(12)),
    'chat stream compressed': async () => events(await chat.create({ ...of('zipped-gpt-4o'), stream: true }, turn(13))),
    'chat stream broken': async () => events(await chat.create({ ...of('gpt-4o-broken'), stream: true }, turn(14))),
    'responses': () => responses.create(told, turn(15)),
    'responses raw': async () => raw(await responses.create(told, turn(16)).asResponse()),
    'responses stream': async () => events(await responses.create({ ...told, stream: true }, turn(17))),
    'responses stream raw': async () => raw(await responses.create({ ...told, stream: true }, turn(18)).asResponse()),
    'responses stream helper': responsesHelper,
    'responses tools': () => responses.create({ ...told, tools: [RESPONSES_TOOL] }, turn(20)),
    'responses tools stream': async () => events(await responses.create({ ...told, tools: [RESPONSES_TOOL], stream: true }, turn(21))),
    'embeddings': () => embeddings.create(embed, turn(22)),
    'embeddings as numbers': async () => raw(await embeddings.create({ ...embed, encoding_format: 'float' }, turn(23)).asResponse()),
    'models': async () => (await client.models.list()).data,
    'refused twice': () => chat.create(of('flaky-gpt-4o'), turn(24)),
    'stream refused twice': async () => events(await chat.create({ ...of('flaky-gpt-4o'), stream: true }, turn(25))),
    'refused': () => chat.create(of('error-429-gpt'), turn(26)),
    'wrong key': () => chat.create(of('error-401-gpt'), turn(27)),
    'responses wrong key': () => responses.create({ ...told, model: 'error-401-gpt' }, turn(28)),
    'failed': () => responses.create({ ...told, model: 'error-500-gpt', stream: true }, once(29)),
  };
  return all(calls, only);
});
