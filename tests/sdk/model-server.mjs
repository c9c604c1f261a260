// @ts-check
/**
 * A model provider on 127.0.0.1: OpenAI's chat, responses and embeddings, Anthropic's messages, each as JSON or as a stream, with
 * replies as recorded but for their ids and their text.
 */
import { startOrigin } from '../lib/sage.mjs';

/** What one call of each kind costs at the public prices of gpt-4o, text-embedding-3-small and claude-sonnet-4-5, in 1e-9 USD. */
export const NANO_USD = {
  /** 1,000 at $2.50, 200 cached at $1.25, 340 at $10 a million. */
  openai: 6_150_000,
  /** 1,000 at $0.02 a million. */
  embedding: 20_000,
  /** 300 at $3, 100 read at $0.30, 20 written at $3.75, 50 at $15 a million. */
  anthropic: 1_755_000,
};

const CHAT = { prompt_tokens: 1200, completion_tokens: 340, total_tokens: 1540, prompt_tokens_details: { cached_tokens: 200, audio_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 40, audio_tokens: 0 } };
const RESPONSES = { input_tokens: 1200, input_tokens_details: { cached_tokens: 200 }, output_tokens: 340, output_tokens_details: { reasoning_tokens: 40 }, total_tokens: 1540 };
const MESSAGES = { input_tokens: 300, cache_read_input_tokens: 100, cache_creation_input_tokens: 20, cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 0 }, output_tokens: 50, service_tier: 'standard' };

/**
 * @param {string} said What every reply says.
 */
export async function startModels(said) {
  let calls = 0;
  const origin = await startOrigin(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const asked = JSON.parse(Buffer.concat(chunks).toString() || '{}');
    const id = `${++calls}-${Date.now()}`;
    const json = (/** @type {unknown} */ body, status = 200) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const stream = (/** @type {[string | null, unknown][]} */ events) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const [name, data] of events) response.write(`${name ? `event: ${name}\n` : ''}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
      response.end();
    };
    switch (request.url) {
      case '/v1/chat/completions': {
        if (asked.messages.some((/** @type {any} */ message) => String(message.content).includes('please fail'))) return json({ error: { message: said, type: 'invalid_request_error', code: 'context_length_exceeded', param: null } }, 400);
        const head = { id: `chatcmpl-${id}`, created: 1_763_000_000, model: 'gpt-4o-2024-08-06', service_tier: 'default', system_fingerprint: 'fp_1' };
        if (!asked.stream) return json({ ...head, object: 'chat.completion', choices: [{ index: 0, message: { role: 'assistant', content: said, refusal: null }, logprobs: null, finish_reason: 'stop' }], usage: CHAT });
        const part = (/** @type {unknown} */ delta, /** @type {string | null} */ end = null) => /** @type {[null, unknown]} */ ([null, { ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, logprobs: null, finish_reason: end }], usage: null }]);
        /** @type {[null, unknown][]} */
        const usage = asked.stream_options?.include_usage ? [[null, { ...head, object: 'chat.completion.chunk', choices: [], usage: CHAT }]] : [];
        return stream([part({ role: 'assistant', content: '' }), part({ content: said }), part({}, 'stop'), ...usage, [null, '[DONE]']]);
      }
      case '/v1/responses': {
        const output = [{ id: `msg_${id}`, type: 'message', status: 'completed', role: 'assistant', content: [{ type: 'output_text', text: said, annotations: [] }] }];
        return json({ id: `resp_${id}`, object: 'response', created_at: 1_763_000_000, status: 'completed', model: 'gpt-4o-2024-08-06', output, usage: RESPONSES, service_tier: 'default', error: null, incomplete_details: null, instructions: null, metadata: {}, parallel_tool_calls: true, temperature: 1, tool_choice: 'auto', tools: [], top_p: 1 });
      }
      case '/v1/embeddings':
        return json({ object: 'list', model: 'text-embedding-3-small', data: [{ object: 'embedding', index: 0, embedding: [0.1, 0.2] }], usage: { prompt_tokens: 1000, total_tokens: 1000 } });
      case '/v1/messages': {
        const message = { id: `msg_${id}`, type: 'message', role: 'assistant', model: 'claude-sonnet-4-5-20250929', stop_sequence: null };
        if (!asked.stream) return json({ ...message, content: [{ type: 'text', text: said }], stop_reason: 'end_turn', usage: MESSAGES });
        return stream([
          ['message_start', { type: 'message_start', message: { ...message, content: [], stop_reason: null, usage: { ...MESSAGES, output_tokens: 1 } } }],
          ['content_block_start', { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }],
          ['content_block_delta', { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: said } }],
          ['content_block_stop', { type: 'content_block_stop', index: 0 }],
          ['message_delta', { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { input_tokens: 300, cache_read_input_tokens: 100, cache_creation_input_tokens: 20, output_tokens: 50 } }],
          ['message_stop', { type: 'message_stop' }],
        ]);
      }
      default:
        return json({ error: { message: 'no such route', type: 'invalid_request_error' } }, 404);
    }
  });
  return { url: origin.url, close: origin.close, get calls() { return calls; } };
}
