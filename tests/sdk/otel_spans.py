"""Spans of the GenAI conventions, made by hand, through OpenTelemetry's own SDK and OTLP exporter.

Arguments: Sage's address, the ingest key, `gzip` or `none`, what is said, how many turns.
"""

import json
import os
import sys

sage, key, compression, said, turns = sys.argv[1:6]
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"{sage}/sage"
os.environ["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization=Bearer%20{key}"
os.environ["OTEL_EXPORTER_OTLP_COMPRESSION"] = compression
os.environ["OTEL_SERVICE_NAME"] = "support-bot"

from opentelemetry import trace  # noqa: E402
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult  # noqa: E402


class Watched(OTLPSpanExporter):
    """The exporter, with what became of each export."""

    results: list[str] = []

    def export(self, spans):
        result = super().export(spans)
        self.results.append(SpanExportResult(result).name)
        return result


provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(Watched()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("app")

for turn in range(int(turns)):
    with tracer.start_as_current_span(f"POST /chat {said}") as request:
        request.set_attribute("http.request.method", "POST")
        with tracer.start_as_current_span("invoke_agent support") as agent:
            agent.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 1200})
            with tracer.start_as_current_span("chat gpt-4o") as span:
                span.set_attributes(
                    {
                        "gen_ai.operation.name": "chat",
                        "gen_ai.provider.name": "openai",
                        "gen_ai.request.model": "gpt-4o",
                        "gen_ai.response.model": "gpt-4o-2024-08-06",
                        "gen_ai.response.id": f"chatcmpl-{compression}-{turn}",
                        "gen_ai.response.finish_reasons": ["stop"],
                        "gen_ai.usage.input_tokens": 1200,
                        "gen_ai.usage.output_tokens": 340,
                        "gen_ai.usage.cache_read.input_tokens": 200,
                        "gen_ai.usage.reasoning.output_tokens": 40,
                        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"content": said}]}]),
                        "gen_ai.output.messages": said,
                        "user.id": f"person-{turn % 5}-{said}",
                        "session.id": f"visit-{turn % 7}-{said}",
                    }
                )
                span.add_event("gen_ai.user.message", {"content": said})

provider.shutdown()
print(json.dumps(Watched.results))
