// @ts-check
/**
 * An app on the Vercel AI SDK, its telemetry exported by OpenTelemetry for JavaScript.
 *
 * Arguments: Sage's address, the ingest key, the models' address, what is said, `json` or `protobuf`, `current` or `legacy`.
 */
import { createOpenAI } from '@ai-sdk/openai';
import { LegacyOpenTelemetry, OpenTelemetry } from '@ai-sdk/otel';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { embedMany, generateText, registerTelemetry, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const [sage, key, models, said, encoding, integration] = process.argv.slice(2);
const Exporter = encoding === 'json' ? JsonExporter : ProtobufExporter;
const exporter = new Exporter({ url: `${sage}/sage/v1/traces`, headers: { authorization: `Bearer ${key}` } });
/** @type {string[]} */
const failures = [];
const { export: send } = exporter;
exporter.export = (spans, done) => send.call(exporter, spans, (result) => {
  if (result.error) failures.push(String(result.error));
  done(result);
});
const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
provider.register();
registerTelemetry(integration === 'legacy' ? new LegacyOpenTelemetry() : new OpenTelemetry());

const openai = createOpenAI({ baseURL: `${models}/v1`, apiKey: 'sk-of-nobody' });
const experimental_telemetry = { isEnabled: true, functionId: 'support' };

await generateText({ model: openai.chat('gpt-4o'), prompt: said, experimental_telemetry, maxRetries: 0 });
await generateText({ model: openai('gpt-4o'), prompt: said, experimental_telemetry, maxRetries: 0 });
const streamed = streamText({ model: openai.chat('gpt-4o'), prompt: said, experimental_telemetry, maxRetries: 0 });
await streamed.consumeStream();
const look = tool({ description: said, inputSchema: z.object({ at: z.string() }), execute: async () => said });
await generateText({ model: openai.chat('gpt-4o'), prompt: said, tools: { look }, stopWhen: stepCountIs(2), experimental_telemetry, maxRetries: 0 });
await embedMany({ model: openai.embedding('text-embedding-3-small'), values: [said], experimental_telemetry, maxRetries: 0 });
await generateText({ model: openai.chat('gpt-4o'), prompt: `please fail ${said}`, experimental_telemetry, maxRetries: 0 }).catch(() => {});

await provider.shutdown();
console.log(JSON.stringify(failures));
