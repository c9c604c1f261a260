"""An app under OpenLIT that talks to OpenAI and Anthropic with their own packages.

Arguments: Sage's address, the ingest key, the models' address, what is said.
"""

import json
import os
import sys
import tempfile

sage, key, models, said = sys.argv[1:5]
os.environ["OTEL_METRICS_EXPORTER"] = "none"
os.environ["OTEL_LOGS_EXPORTER"] = "none"

import openlit  # noqa: E402
from opentelemetry import trace  # noqa: E402

# OpenLIT's own price list is fetched from GitHub otherwise.
prices = tempfile.NamedTemporaryFile("w", suffix=".json")
prices.write('{"chat": {}, "embeddings": {}}')
prices.flush()

openlit.init(
    otlp_endpoint=f"{sage}/sage",
    otlp_headers=f"authorization=Bearer%20{key}",
    service_name="support-bot",
    disable_metrics=True,
    disable_events=True,
    pricing_json=prices.name,
)

import anthropic  # noqa: E402
import openai  # noqa: E402

client = openai.OpenAI(base_url=f"{models}/v1", api_key="sk-of-nobody", max_retries=0)
messages = [{"role": "user", "content": said}]
client.chat.completions.create(model="gpt-4o", messages=messages, user=f"person-{said}")
list(client.chat.completions.create(model="gpt-4o", messages=messages, stream=True, stream_options={"include_usage": True}))
client.responses.create(model="gpt-4o", input=said)
client.embeddings.create(model="text-embedding-3-small", input=said)
try:
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": f"please fail {said}"}])
except openai.BadRequestError:
    pass

claude = anthropic.Anthropic(base_url=models, api_key="sk-of-nobody", max_retries=0)
claude.messages.create(model="claude-sonnet-4-5", max_tokens=100, messages=messages)
for _ in claude.messages.create(model="claude-sonnet-4-5", max_tokens=100, messages=messages, stream=True):
    pass

trace.get_tracer_provider().shutdown()
print(json.dumps("done"))
