"""Anthropic's Python package, as its registry has it, against its provider and against Sage; see gateway_record."""

import asyncio

import anthropic
from gateway_record import all_of, events, made_async, raw, run, stream_bytes, turn

TOOL = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}


def helper(client, ask, number):
    """The package's own reader of streams."""
    with client.messages.stream(**ask, extra_headers=turn(number)) as stream:
        return [[event.type for event in stream], stream.get_final_message()]


def with_tool(client, ask, number):
    """Two calls: the model calls a tool, and answers with what it gave."""
    first = client.messages.create(**ask, tools=[TOOL], extra_headers=turn(number))
    results = [{"type": "tool_result", "tool_use_id": block.id, "content": str(block.input)} for block in first.content]
    content = [block.model_dump(exclude_none=True) for block in first.content]
    messages = [*ask["messages"], {"role": "assistant", "content": content}, {"role": "user", "content": results}]
    return [first, client.messages.create(**{**ask, "messages": messages}, tools=[TOOL], extra_headers=turn(number + 1))]


def sync_calls(client, said):
    """Each with a turn of its own."""
    ask = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 500,
        "system": said,
        "messages": [{"role": "user", "content": said}],
        "metadata": {"user_id": said},
    }

    def of(model):
        return {**ask, "model": model}

    messages = client.messages
    return {
        "messages": lambda: messages.create(**ask, extra_headers=turn(0)),
        "messages raw": lambda: raw(messages.with_raw_response.create(**ask, extra_headers=turn(1))),
        "messages stream": lambda: events(messages.create(**ask, stream=True, extra_headers=turn(2))),
        "messages stream raw": lambda: stream_bytes(
            messages.with_streaming_response.create(**ask, stream=True, extra_headers=turn(3))
        ),
        "messages stream helper": lambda: helper(client, ask, 4),
        "messages tools": lambda: with_tool(client, ask, 5),
        "messages tools stream": lambda: helper(client, {**ask, "tools": [TOOL]}, 7),
        "beta": lambda: client.beta.messages.create(**ask, betas=["context-1m-2025-08-07"], extra_headers=turn(8)),
        "compressed": lambda: messages.create(**of("zipped-claude-sonnet-4-5"), extra_headers=turn(9)),
        "stream compressed": lambda: helper(client, of("zipped-claude-sonnet-4-5"), 10),
        "stream broken": lambda: events(messages.create(**of("claude-sonnet-4-5-broken"), stream=True, extra_headers=turn(11))),
        "count tokens": lambda: messages.count_tokens(model=ask["model"], messages=ask["messages"]),
        "refused twice": lambda: messages.create(**of("flaky-claude-sonnet-4-5"), extra_headers=turn(12)),
        "stream refused twice": lambda: helper(client, of("flaky-claude-sonnet-4-5"), 13),
        "refused": lambda: messages.create(**of("error-429-claude"), extra_headers=turn(14)),
        "wrong key": lambda: messages.create(**of("error-401-claude"), extra_headers=turn(15)),
        "failed": lambda: client.with_options(max_retries=0).messages.create(**of("error-500-claude"), extra_headers=turn(16)),
    }


async def async_calls(client, said):
    """Several at once."""

    def ask(times, model="claude-sonnet-4-5"):
        return {"model": model, "max_tokens": 500, "messages": [{"role": "user", "content": f"{said} times {times}"}]}

    async def stream(call):
        return [event async for event in await call]

    async def helped():
        async with client.messages.stream(**ask(19), extra_headers=turn(19)) as reply:
            return await reply.get_final_message()

    calls = {
        "messages": client.messages.create(**ask(17), extra_headers=turn(17)),
        "messages stream": stream(client.messages.create(**ask(18), stream=True, extra_headers=turn(18))),
        "messages stream helper": helped(),
        "refused twice": client.messages.create(**ask(20, "flaky-claude-sonnet-4-5"), extra_headers=turn(20)),
        "wrong key": client.messages.create(**ask(21, "error-401-claude"), extra_headers=turn(21)),
    }
    return dict(zip((f"async {name}" for name in calls), await asyncio.gather(*map(made_async, calls.values())), strict=True))


async def record(base, given):
    """What Anthropic's clients get from a base URL."""
    options = {
        "base_url": base,
        "api_key": given["key"],
        "default_headers": given["headers"],
        "max_retries": given.get("retries", 2),
    }
    found = all_of(sync_calls(anthropic.Anthropic(**options), given["said"]), given.get("only"))
    if given.get("only"):
        return found
    async with anthropic.AsyncAnthropic(**options) as client:
        return {**found, **await async_calls(client, given["said"])}


run(record)
