"""An app under OpenLIT whose clients call models by one way and whose exporter tells of it by another.

Argument: JSON {"otlp": where spans go, "key", "openai", "anthropic": base URLs, "headers", "said": prompts}. For each prompt: a
chat, a streamed chat, a response, a message, a streamed message; then its spans are sent.
"""

import json
import os
import sys
import tempfile

given = json.loads(sys.argv[1])
os.environ["OTEL_METRICS_EXPORTER"] = "none"
os.environ["OTEL_LOGS_EXPORTER"] = "none"

import openlit  # noqa: E402
from opentelemetry import trace  # noqa: E402

# OpenLIT's own price list is fetched from GitHub otherwise.
prices = tempfile.NamedTemporaryFile("w", suffix=".json")
prices.write('{"chat": {}, "embeddings": {}}')
prices.flush()

openlit.init(
    otlp_endpoint=given["otlp"],
    otlp_headers=f"authorization=Bearer%20{given['key']}",
    service_name="support-bot",
    disable_metrics=True,
    disable_events=True,
    pricing_json=prices.name,
)

import anthropic  # noqa: E402
import openai  # noqa: E402

options = {"api_key": "sk-of-nobody", "max_retries": 0, "default_headers": given["headers"]}
client = openai.OpenAI(base_url=f"{given['openai']}/v1", **options)
claude = anthropic.Anthropic(base_url=given["anthropic"], **options)
for said in given["said"]:
    messages = [{"role": "user", "content": said}]
    ask = {"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": messages}
    client.chat.completions.create(model="gpt-4o", messages=messages)
    streamed = [{"role": "user", "content": f"{said}, streamed"}]
    list(client.chat.completions.create(model="gpt-4o", messages=streamed, stream=True, stream_options={"include_usage": True}))
    client.responses.create(model="gpt-4o", input=said)
    claude.messages.create(**ask)
    for _ in claude.messages.create(**{**ask, "messages": streamed}, stream=True):
        pass
    trace.get_tracer_provider().force_flush()

trace.get_tracer_provider().shutdown()
print(json.dumps("done"))
