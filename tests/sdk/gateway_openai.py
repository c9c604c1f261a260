"""OpenAI's Python package, as its registry has it, against its provider and against Sage; see gateway_record."""

import asyncio

import openai
from gateway_record import all_of, events, made_async, raw, run, stream_bytes, turn

WEATHER = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
RESPONSES_TOOL = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": True}
WITH_USAGE, WITHOUT_USAGE = ({"stream": True, "stream_options": {"include_usage": asked}} for asked in (True, False))


def chat_with_tool(client, ask, number):
    """Two calls: the model calls a tool, and answers with what it gave."""
    first = client.chat.completions.create(**ask, tools=[TOOL], extra_headers=turn(number))
    message = first.choices[0].message
    answers = [{"role": "tool", "tool_call_id": call.id, "content": call.function.arguments} for call in message.tool_calls]
    messages = [*ask["messages"], message.model_dump(exclude_none=True), *answers]
    return [
        first,
        client.chat.completions.create(model=ask["model"], messages=messages, tools=[TOOL], extra_headers=turn(number + 1)),
    ]


def chat_helper(client, ask, number):
    """The package's own reader of streams."""
    with client.chat.completions.stream(**ask, tools=[], extra_headers=turn(number)) as stream:
        seen = [event.type for event in stream]
        return [seen, stream.get_final_completion()]


def responses_helper(client, ask, number):
    """The same of responses."""
    with client.responses.stream(**ask, extra_headers=turn(number)) as stream:
        return [[event.type for event in stream], stream.get_final_response()]


def sync_calls(client, said):
    """Each with a turn of its own."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": said}]
    ask = {"model": "gpt-4o", "messages": messages, "user": said}
    told = {"model": "gpt-4o", "input": said, "instructions": said}
    chat, responses = client.chat.completions, client.responses

    def of(model):
        return {**ask, "model": model}

    return {
        "chat": lambda: chat.create(**ask, extra_headers=turn(0)),
        "chat raw": lambda: raw(chat.with_raw_response.create(**ask, extra_headers=turn(1))),
        "chat stream": lambda: events(chat.create(**ask, stream=True, extra_headers=turn(2))),
        "chat stream with usage": lambda: events(chat.create(**ask, **WITH_USAGE, extra_headers=turn(3))),
        "chat stream without usage": lambda: events(chat.create(**ask, **WITHOUT_USAGE, extra_headers=turn(4))),
        "chat stream raw": lambda: stream_bytes(chat.with_streaming_response.create(**ask, stream=True, extra_headers=turn(5))),
        "chat stream raw with usage": (
            lambda: stream_bytes(chat.with_streaming_response.create(**ask, **WITH_USAGE, extra_headers=turn(6)))
        ),
        "chat stream helper": lambda: chat_helper(client, ask, 7),
        "chat tools": lambda: chat_with_tool(client, ask, 8),
        "chat tools stream": lambda: events(chat.create(**ask, tools=[TOOL], stream=True, extra_headers=turn(10))),
        "chat priority": lambda: chat.create(**ask, service_tier="priority", extra_headers=turn(11)),
        "chat compressed": lambda: chat.create(**of("zipped-gpt-4o"), extra_headers=turn(12)),
        "chat stream compressed": lambda: events(chat.create(**of("zipped-gpt-4o"), stream=True, extra_headers=turn(13))),
        "chat stream broken": lambda: events(chat.create(**of("gpt-4o-broken"), stream=True, extra_headers=turn(14))),
        "responses": lambda: responses.create(**told, extra_headers=turn(15)),
        "responses raw": lambda: raw(responses.with_raw_response.create(**told, extra_headers=turn(16))),
        "responses stream": lambda: events(responses.create(**told, stream=True, extra_headers=turn(17))),
        "responses stream raw": lambda: stream_bytes(
            responses.with_streaming_response.create(**told, stream=True, extra_headers=turn(18))
        ),
        "responses stream helper": lambda: responses_helper(client, told, 19),
        "responses tools": lambda: responses.create(**told, tools=[RESPONSES_TOOL], extra_headers=turn(20)),
        "responses tools stream": lambda: events(
            responses.create(**told, tools=[RESPONSES_TOOL], stream=True, extra_headers=turn(21))
        ),
        "embeddings": lambda: client.embeddings.create(model="text-embedding-3-small", input=[said], extra_headers=turn(22)),
        "embeddings as numbers": (
            lambda: raw(
                client.embeddings.with_raw_response.create(
                    model="text-embedding-3-small", input=said, encoding_format="float", extra_headers=turn(23)
                )
            )
        ),
        "models": lambda: client.models.list().data,
        "refused twice": lambda: chat.create(**of("flaky-gpt-4o"), extra_headers=turn(24)),
        "stream refused twice": lambda: events(chat.create(**of("flaky-gpt-4o"), stream=True, extra_headers=turn(25))),
        "refused": lambda: chat.create(**of("error-429-gpt"), extra_headers=turn(26)),
        "wrong key": lambda: chat.create(**of("error-401-gpt"), extra_headers=turn(27)),
        "responses wrong key": lambda: responses.create(**{**told, "model": "error-401-gpt"}, extra_headers=turn(28)),
        "failed": lambda: client.with_options(max_retries=0).responses.create(
            **{**told, "model": "error-500-gpt"}, stream=True, extra_headers=turn(29)
        ),
    }


async def async_calls(client, said):
    """Several at once."""

    def ask(times, model="gpt-4o"):
        return {"model": model, "messages": [{"role": "user", "content": f"{said} times {times}"}]}

    def told(times):
        return {"model": "gpt-4o", "input": f"{said} times {times}"}

    async def stream(call):
        return [event async for event in await call]

    chat, responses = client.chat.completions, client.responses
    calls = {
        "chat": chat.create(**ask(30), extra_headers=turn(30)),
        "chat stream": stream(chat.create(**ask(31), stream=True, extra_headers=turn(31))),
        "chat stream with usage": stream(chat.create(**ask(32), **WITH_USAGE, extra_headers=turn(32))),
        "responses": responses.create(**told(33), extra_headers=turn(33)),
        "responses stream": stream(responses.create(**told(34), stream=True, extra_headers=turn(34))),
        "embeddings": client.embeddings.create(model="text-embedding-3-small", input=said, extra_headers=turn(35)),
        "refused twice": chat.create(**ask(36, "flaky-gpt-4o"), extra_headers=turn(36)),
        "wrong key": chat.create(**ask(37, "error-401-gpt"), extra_headers=turn(37)),
    }
    return dict(zip((f"async {name}" for name in calls), await asyncio.gather(*map(made_async, calls.values())), strict=True))


async def record(base, given):
    """What OpenAI's clients get from a base URL."""
    options = {
        "base_url": f"{base}/v1",
        "api_key": given["key"],
        "default_headers": given["headers"],
        "max_retries": given.get("retries", 2),
    }
    found = all_of(sync_calls(openai.OpenAI(**options), given["said"]), given.get("only"))
    if given.get("only"):
        return found
    async with openai.AsyncOpenAI(**options) as client:
        return {**found, **await async_calls(client, given["said"])}


run(record)
