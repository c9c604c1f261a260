// @ts-check
/** Requests and replies of every API that the gateway reads, with every field that their documentation shows to hold text. */

/**
 * How a reply comes: one JSON value, server-sent events, an array in parts, AWS' frames, or anything else.
 * @typedef {'json' | 'sse' | 'array' | 'aws' | 'text'} Form
 * `hides`: the caller did not ask for the usage that the reply holds, and does not get it.
 * @typedef {{ name: string, path: string, ask: any, form: Form, reply: any, status?: number, hides?: boolean }} Shape
 */

const picture = 'iVBORw0KGgo';
const schema = { type: 'object', title: 'Place', description: 'a place', properties: { place: { type: 'string', description: 'where', enum: ['Paris'] } }, required: ['place'] };
const chatUsage = { prompt_tokens: 1200, completion_tokens: 340, total_tokens: 1540, prompt_tokens_details: { cached_tokens: 200 }, completion_tokens_details: { reasoning_tokens: 40 } };
const chatAsk = (/** @type {string} */ model) => ({
  model, user: 'a user', safety_identifier: 'a digest', prompt_cache_key: 'a key', service_tier: 'auto', reasoning_effort: 'low', metadata: { topic: 'a topic' }, stop: ['an end'],
  messages: [
    { role: 'system', name: 'a name', content: 'a prompt' },
    {
      role: 'user', content: [
        { type: 'text', text: 'a question' }, { type: 'image_url', image_url: { url: `data:image/png;base64,${picture}`, detail: 'low' } }, { type: 'input_audio', input_audio: { data: picture, format: 'wav' } },
        { type: 'file', file: { file_data: picture, filename: 'a file', file_id: 'file-1' } },
      ],
    },
    { role: 'assistant', content: 'a call', refusal: 'a refusal', tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"place":"Paris"}' } }] },
    { role: 'tool', tool_call_id: 'call_1', content: 'a result' },
  ],
  tools: [{ type: 'function', function: { name: 'weather', description: 'a description', parameters: schema } }], tool_choice: 'auto',
  response_format: { type: 'json_schema', json_schema: { name: 'place', description: 'a form', schema } }, prediction: { type: 'content', content: 'a prediction' },
  web_search_options: { user_location: { type: 'approximate', approximate: { city: 'Paris', country: 'FR', timezone: 'Europe/Paris' } } },
});
const chatReply = (/** @type {string} */ model, more = {}) => ({
  id: 'chatcmpl-1', object: 'chat.completion', created: 1763750000, model, service_tier: 'default', system_fingerprint: 'fp_1',
  choices: [{
    index: 0, finish_reason: 'stop', logprobs: { content: [{ token: 'a token', logprob: -0.1, bytes: [1], top_logprobs: [{ token: 'another', logprob: -2 }] }] },
    message: {
      role: 'assistant', content: 'an answer', refusal: 'a refusal', reasoning_content: 'a thought', reasoning: 'another', audio: { id: 'audio_1', data: picture, transcript: 'a transcript' },
      annotations: [{ type: 'url_citation', url_citation: { url: 'https://example.com/a', title: 'a title' } }],
      tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"place":"Paris"}' } }],
    },
  }],
  usage: chatUsage, ...more,
});
const chunk = (/** @type {string} */ model, /** @type {object} */ delta, /** @type {string | null} */ finish_reason = null) => ({
  id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1763750000, model, service_tier: 'default', system_fingerprint: 'fp_1', choices: [{ index: 0, delta, finish_reason }], usage: null, obfuscation: 'padding',
});
const chatStream = (/** @type {string} */ model, more = {}) => [
  chunk(model, { role: 'assistant', content: '' }), chunk(model, { content: 'an answer', reasoning_content: 'a thought' }),
  chunk(model, { tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"place"' } }] }), chunk(model, {}, 'stop'),
  { ...chunk(model, {}), choices: [], usage: chatUsage, ...more },
];

const responsesAsk = {
  model: 'gpt-4o', instructions: 'a prompt', user: 'a user', previous_response_id: 'resp_0', metadata: { topic: 'a topic' }, prompt: { id: 'pmpt_1', variables: { name: 'a name' } }, truncation: 'auto',
  input: [{ role: 'user', content: [{ type: 'input_text', text: 'a question' }, { type: 'input_image', image_url: `data:image/png;base64,${picture}` }, { type: 'input_file', filename: 'a file', file_data: picture }] }, { type: 'function_call_output', call_id: 'call_1', output: 'a result' }],
  tools: [{ type: 'function', name: 'weather', description: 'a description', parameters: schema }, { type: 'mcp', server_label: 'a server', server_url: 'https://example.com/mcp', headers: { authorization: 'a token' } }], text: { format: { type: 'text' } },
};
const responsesReply = {
  id: 'resp_1', object: 'response', created_at: 1763750000, status: 'completed', model: 'gpt-4o', service_tier: 'default', instructions: 'a prompt', user: 'a user', metadata: { topic: 'a topic' }, previous_response_id: 'resp_0', error: null,
  output: [
    { id: 'rs_1', type: 'reasoning', summary: [{ type: 'summary_text', text: 'a thought' }], encrypted_content: picture }, { id: 'ws_1', type: 'web_search_call', status: 'completed', action: { type: 'search', query: 'a query' } },
    { id: 'fs_1', type: 'file_search_call', queries: ['a query'], results: [{ file_id: 'file-1', filename: 'a file', text: 'a text' }] }, { id: 'fc_1', type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{"place":"Paris"}' },
    { id: 'msg_1', type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'an answer', annotations: [{ type: 'url_citation', url: 'https://example.com/a', title: 'a title' }] }, { type: 'refusal', refusal: 'a refusal' }] },
  ],
  usage: { input_tokens: 1200, input_tokens_details: { cached_tokens: 200 }, output_tokens: 340, output_tokens_details: { reasoning_tokens: 40 }, total_tokens: 1540 },
};
const responsesStream = [
  { type: 'response.created', sequence_number: 0, response: { ...responsesReply, status: 'in_progress', output: [], usage: null } },
  { type: 'response.output_text.delta', sequence_number: 1, item_id: 'msg_1', output_index: 0, content_index: 0, delta: 'an answer', obfuscation: 'padding' },
  { type: 'response.function_call_arguments.done', sequence_number: 2, item_id: 'fc_1', output_index: 1, name: 'weather', arguments: '{"place":"Paris"}' },
  { type: 'response.completed', sequence_number: 3, response: responsesReply },
];

const messagesAsk = {
  model: 'claude-sonnet-4-5', max_tokens: 500, system: [{ type: 'text', text: 'a prompt', cache_control: { type: 'ephemeral', ttl: '5m' } }], metadata: { user_id: 'a user' }, stop_sequences: ['an end'], service_tier: 'auto',
  messages: [
    { role: 'user', content: [{ type: 'text', text: 'a question' }, { type: 'image', source: { type: 'base64', media_type: 'image/png', data: picture } }, { type: 'document', title: 'a title', context: 'a context', source: { type: 'url', url: 'https://example.com/a.pdf' } }] },
    { role: 'assistant', content: [{ type: 'thinking', thinking: 'a thought', signature: picture }, { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { place: 'Paris' } }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'a result' }] },
  ],
  tools: [{ name: 'weather', description: 'a description', input_schema: schema }], tool_choice: { type: 'tool', name: 'weather' }, container: 'container_1',
};
const claudeUsage = { input_tokens: 700, cache_creation_input_tokens: 300, cache_read_input_tokens: 200, cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 }, output_tokens: 340, service_tier: 'standard' };
const messagesReply = {
  id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-sonnet-4-5', stop_reason: 'end_turn', stop_sequence: 'an end', container: { id: 'container_1', expires_at: '2026-11-22T00:00:00Z' },
  content: [
    { type: 'thinking', thinking: 'a thought', signature: picture }, { type: 'text', text: 'an answer', citations: [{ type: 'char_location', cited_text: 'a text', document_title: 'a title' }] },
    { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { place: 'Paris' } }, { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'a query' } },
    { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [{ type: 'web_search_result', url: 'https://example.com/a', title: 'a title', encrypted_content: picture }] },
  ],
  usage: claudeUsage,
};
const messagesStream = [
  { type: 'message_start', message: { ...messagesReply, content: [], stop_reason: null, stop_sequence: null, usage: { ...claudeUsage, output_tokens: 1 } } },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: 'a' } }, { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'n answer' } },
  { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '{"place"' } }, { type: 'content_block_delta', index: 2, delta: { type: 'thinking_delta', thinking: 'a thought' } },
  { type: 'content_block_delta', index: 2, delta: { type: 'signature_delta', signature: picture } }, { type: 'content_block_stop', index: 0 },
  { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: 'an end' }, usage: { output_tokens: 340 } }, { type: 'message_stop' },
];

const geminiAsk = {
  contents: [{ role: 'user', parts: [{ text: 'a question' }, { inlineData: { mimeType: 'image/png', data: picture } }, { fileData: { mimeType: 'video/mp4', fileUri: 'https://example.com/a' } }, { functionResponse: { name: 'weather', response: { sky: 'blue' } } }] }],
  systemInstruction: { parts: [{ text: 'a prompt' }] }, generationConfig: { maxOutputTokens: 500, stopSequences: ['an end'], responseMimeType: 'text/plain' }, safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
  tools: [{ functionDeclarations: [{ name: 'weather', description: 'a description', parameters: schema }] }], cachedContent: 'cachedContents/1', labels: { team: 'a team' },
};
const geminiReply = {
  candidates: [{
    index: 0, finishReason: 'STOP', finishMessage: 'a message', content: { role: 'model', parts: [{ text: 'an answer', thoughtSignature: picture }, { functionCall: { name: 'weather', args: { place: 'Paris' } } }] }, safetyRatings: [{ category: 'HARM_CATEGORY_HARASSMENT', probability: 'NEGLIGIBLE' }],
    citationMetadata: { citationSources: [{ uri: 'https://example.com/a', license: 'MIT' }] }, groundingMetadata: { webSearchQueries: ['a query'], groundingChunks: [{ web: { uri: 'https://example.com/a', title: 'a title' } }] },
  }],
  promptFeedback: { safetyRatings: [{ category: 'HARM_CATEGORY_HARASSMENT', probability: 'LOW' }] }, modelVersion: 'gemini-2.5-flash', responseId: 'response_1', createTime: '2026-11-22T00:00:00Z',
  usageMetadata: { promptTokenCount: 1200, candidatesTokenCount: 300, thoughtsTokenCount: 40, totalTokenCount: 1540, trafficType: 'ON_DEMAND', promptTokensDetails: [{ modality: 'TEXT', tokenCount: 1200 }] },
};

const converseAsk = {
  messages: [{ role: 'user', content: [{ text: 'a question' }, { image: { format: 'png', source: { bytes: picture } } }, { document: { name: 'a document', format: 'pdf', source: { s3Location: { uri: 's3://bucket/a' } } } }] }],
  system: [{ text: 'a prompt' }], inferenceConfig: { maxTokens: 500, stopSequences: ['an end'] }, toolConfig: { tools: [{ toolSpec: { name: 'weather', description: 'a description', inputSchema: { json: schema } } }] }, requestMetadata: { tenant: 'a tenant' }, guardrailConfig: { guardrailIdentifier: 'guardrail_1', guardrailVersion: '1' },
};
const converseUsage = { inputTokens: 1000, outputTokens: 340, totalTokens: 1540, cacheReadInputTokens: 200 };
const converseReply = {
  output: { message: { role: 'assistant', content: [{ text: 'an answer' }, { toolUse: { toolUseId: 'tooluse_1', name: 'weather', input: { place: 'Paris' } } }, { reasoningContent: { reasoningText: { text: 'a thought', signature: picture } } }] } },
  stopReason: 'end_turn', usage: converseUsage, metrics: { latencyMs: 5 }, performanceConfig: { latency: 'standard' }, trace: { guardrail: { modelOutput: ['an answer'], actionReason: 'a reason' } }, additionalModelResponseFields: { note: 'a note' },
};
const converseStream = [
  ['messageStart', { role: 'assistant' }], ['contentBlockStart', { contentBlockIndex: 1, start: { toolUse: { toolUseId: 'tooluse_1', name: 'weather' } } }], ['contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'an answer' }, p: 'padding' }],
  ['contentBlockDelta', { contentBlockIndex: 1, delta: { toolUse: { input: '{"place"' } } }], ['messageStop', { stopReason: 'end_turn', additionalModelResponseFields: { note: 'a note' } }], ['metadata', { usage: converseUsage, metrics: { latencyMs: 5 }, p: 'padding' }],
];
const CLAUDE = 'anthropic.claude-sonnet-4-5-20250929-v1%3A0';
const invokeAsk = { ...messagesAsk, model: undefined, anthropic_version: 'bedrock-2023-05-31' };
const cohereAsk = { model: 'command-a', messages: [{ role: 'user', content: 'a question' }], documents: [{ id: 'doc_1', data: { text: 'a text' } }], preamble: 'a prompt', safety_mode: 'CONTEXTUAL' };
const cohereReply = {
  id: 'cohere_1', finish_reason: 'COMPLETE', message: { role: 'assistant', content: [{ type: 'text', text: 'an answer' }], tool_plan: 'a plan', citations: [{ start: 0, end: 2, text: 'an', sources: [{ type: 'document', id: 'doc_1', document: { text: 'a text' } }] }] },
  usage: { billed_units: { input_tokens: 1200, output_tokens: 340 }, tokens: { input_tokens: 1300, output_tokens: 345 } },
};

/** @type {Shape[]} */
export const SHAPES = [
  { name: 'chat', path: 'openai/v1/chat/completions', ask: chatAsk('gpt-4o'), form: 'json', reply: chatReply('gpt-4o') },
  { name: 'chat stream', path: 'openai/v1/chat/completions', ask: { ...chatAsk('gpt-4o'), stream: true, stream_options: { include_usage: true } }, form: 'sse', reply: chatStream('gpt-4o') },
  { name: 'chat stream, usage not asked for', path: 'openai/v1/chat/completions', ask: { ...chatAsk('gpt-4o'), stream: true }, form: 'sse', reply: chatStream('gpt-4o'), hides: true },
  { name: 'completions', path: 'openai/v1/completions', ask: { model: 'gpt-3.5-turbo-instruct', prompt: ['a question'], suffix: 'an end', user: 'a user' }, form: 'json', reply: { id: 'cmpl-1', object: 'text_completion', created: 1, model: 'gpt-3.5-turbo-instruct', choices: [{ text: 'an answer', index: 0, finish_reason: 'stop' }], usage: chatUsage } },
  { name: 'responses', path: 'openai/v1/responses', ask: responsesAsk, form: 'json', reply: responsesReply },
  { name: 'responses stream', path: 'openai/v1/responses', ask: { ...responsesAsk, stream: true }, form: 'sse', reply: responsesStream },
  { name: 'embeddings', path: 'openai/v1/embeddings', ask: { model: 'text-embedding-3-small', input: ['a text'], user: 'a user', encoding_format: 'base64' }, form: 'json', reply: { object: 'list', model: 'text-embedding-3-small', data: [{ object: 'embedding', index: 0, embedding: picture }], usage: { prompt_tokens: 1000, total_tokens: 1000 } } },
  { name: 'images', path: 'openai/v1/images/generations', ask: { model: 'gpt-image-1', prompt: 'a picture', size: '1024x1024', user: 'a user' }, form: 'json', reply: { created: 1, output_format: 'png', data: [{ b64_json: picture, revised_prompt: 'a picture', url: 'https://example.com/a' }], usage: { total_tokens: 100, input_tokens: 50, output_tokens: 50, input_tokens_details: { text_tokens: 10, image_tokens: 40 } } } },
  { name: 'messages', path: 'anthropic/v1/messages', ask: messagesAsk, form: 'json', reply: messagesReply },
  { name: 'messages stream', path: 'anthropic/v1/messages', ask: { ...messagesAsk, stream: true }, form: 'sse', reply: messagesStream },
  { name: 'gemini', path: 'google/v1beta/models/gemini-2.5-flash:generateContent', ask: geminiAsk, form: 'json', reply: geminiReply },
  { name: 'gemini events', path: 'google/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse', ask: geminiAsk, form: 'sse', reply: [{ ...geminiReply, usageMetadata: { promptTokenCount: 1200, totalTokenCount: 1200 } }, geminiReply] },
  { name: 'gemini array', path: 'google/v1beta/models/gemini-2.5-flash:streamGenerateContent', ask: geminiAsk, form: 'array', reply: [{ ...geminiReply, usageMetadata: { promptTokenCount: 1200, totalTokenCount: 1200 } }, geminiReply] },
  { name: 'converse', path: `bedrock/model/${CLAUDE}/converse`, ask: converseAsk, form: 'json', reply: converseReply },
  { name: 'converse stream', path: `bedrock/model/${CLAUDE}/converse-stream`, ask: converseAsk, form: 'aws', reply: converseStream },
  { name: 'invoke', path: `bedrock/model/${CLAUDE}/invoke`, ask: invokeAsk, form: 'json', reply: { ...messagesReply, 'amazon-bedrock-invocationMetrics': { inputTokenCount: 1200, outputTokenCount: 340, invocationLatency: 5 } } },
  { name: 'cohere', path: 'cohere/v2/chat', ask: cohereAsk, form: 'json', reply: cohereReply },
  { name: 'cohere stream', path: 'cohere/v2/chat', ask: { ...cohereAsk, stream: true }, form: 'sse', reply: [{ type: 'message-start', id: 'cohere_1', delta: { message: { role: 'assistant' } } }, { type: 'content-delta', index: 0, delta: { message: { content: { text: 'an answer' } } } }, { type: 'message-end', id: 'cohere_1', delta: { finish_reason: 'COMPLETE', usage: cohereReply.usage } }] },
  { name: 'mistral', path: 'mistral/v1/chat/completions', ask: { model: 'mistral-large-latest', messages: [{ role: 'user', content: 'a question', prefix: false }], safe_prompt: false }, form: 'json', reply: chatReply('mistral-large-latest') },
  { name: 'fim', path: 'mistral/v1/fim/completions', ask: { model: 'codestral-latest', prompt: 'a start', suffix: 'an end' }, form: 'json', reply: chatReply('codestral-latest') },
  { name: 'groq stream', path: 'groq/openai/v1/chat/completions', ask: { ...chatAsk('llama-3.3-70b-versatile'), stream: true }, form: 'sse', reply: chatStream('llama-3.3-70b-versatile', { x_groq: { id: 'req_1', error: null, usage: chatUsage } }) },
  { name: 'deepseek', path: 'deepseek/chat/completions', ask: chatAsk('deepseek-chat'), form: 'json', reply: chatReply('deepseek-chat', { usage: { prompt_tokens: 1200, completion_tokens: 340, total_tokens: 1540, prompt_cache_hit_tokens: 200, prompt_cache_miss_tokens: 1000 } }) },
  { name: 'xai', path: 'xai/v1/chat/completions', ask: chatAsk('grok-4-0709'), form: 'json', reply: chatReply('grok-4-0709', { citations: ['https://example.com/a'] }) },
  { name: 'openrouter', path: 'openrouter/api/v1/chat/completions', ask: { ...chatAsk('google/gemini-2.5-flash'), models: ['openai/gpt-4o'], route: 'fallback', provider: { order: ['Google'] } }, form: 'json', reply: chatReply('google/gemini-2.5-flash', { provider: 'Google', usage: { ...chatUsage, cost: 0.0001, cost_details: { upstream_inference_cost: 0.0001 } } }) },
  { name: 'perplexity', path: 'perplexity/chat/completions', ask: chatAsk('sonar'), form: 'json', reply: chatReply('sonar', { citations: ['https://example.com/a'], search_results: [{ title: 'a title', url: 'https://example.com/a', date: '2026-11-22', snippet: 'a text' }], usage: { ...chatUsage, search_context_size: 'low' } }) },
];

/** @param {string} like @param {string} name @param {number} status @param {any} reply @param {Form} [form] */
const failed = (like, name, status, reply, form = 'json') =>
  /** @type {Shape} */ ({ ...SHAPES.find((shape) => shape.name === like), name, status, reply, form, ask: { model: 'gpt-4o', messages: [] } });

/** Refusals, and streams that end in an error. @type {Shape[]} */
export const ERRORS = [
  failed('chat', 'openai error', 400, { error: { message: 'a message', type: 'invalid_request_error', param: 'messages', code: 'context_length_exceeded', innererror: { code: 'ResponsibleAIPolicyViolation', content_filter_result: { hate: { severity: 'safe' } } } } }),
  failed('chat', 'openai 429', 429, { error: { message: 'a message', type: 'requests', param: null, code: 'rate_limit_exceeded' } }),
  failed('messages', 'anthropic error', 529, { type: 'error', error: { type: 'overloaded_error', message: 'a message' }, request_id: 'req_1' }),
  failed('gemini', 'google error', 403, { error: { code: 403, message: 'a message', status: 'PERMISSION_DENIED', details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID', domain: 'googleapis.com', metadata: { consumer: 'projects/1' } }] } }),
  failed('gemini', 'google errors', 503, [{ error: { code: 503, message: 'a message', status: 'UNAVAILABLE' } }]),
  failed('converse', 'aws error', 400, { __type: 'com.amazon.coral.service#ValidationException', message: 'a message', Message: 'another' }),
  failed('chat', 'mistral error', 422, { object: 'error', message: { detail: [{ loc: ['body', 'messages'], msg: 'a message', type: 'value_error', input: 'an input' }] }, type: 'invalid_request_error', param: null, code: '1500' }),
  failed('chat', 'bare error', 500, { error: 'a message', detail: 'another', title: 'a title' }),
  failed('chat', 'page', 502, '<html><title>a title</title><body>a page</body></html>', 'text'),
  failed('chat', 'text', 500, 'upstream connect error', 'text'),
  failed('chat', 'no reply', 200, 'not JSON', 'text'),
  failed('chat', 'error in a chat stream', 200, [chunk('gpt-4o', { content: 'a' }), { error: { message: 'a message', type: 'server_error', code: 'server_error', param: 'a' } }], 'sse'),
  failed('messages', 'error in a message stream', 200, [messagesStream[0], { type: 'error', error: { type: 'overloaded_error', message: 'a message' } }], 'sse'),
  failed('converse stream', 'error in a frame', 200, [['messageStart', { role: 'assistant' }], ['exception:throttlingException', { message: 'a message', originalMessage: 'another' }]], 'aws'),
];
