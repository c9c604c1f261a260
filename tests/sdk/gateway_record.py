"""What calls gave, as JSON: objects, bytes and headers of replies, and errors.

A driver makes the same calls with the same clients twice, once with the provider's own base URL and once with that of Sage.
Its argument is JSON: {"bases": {name: base URL}, "headers", "key", "said", "only"?, "retries"?}; it prints
{name of the base: {name of the call: what it gave}}.
"""

import asyncio
import json
import sys


def plain(thing):
    """A reply, an event of a stream, or a list of them."""
    if isinstance(thing, (list, tuple)):
        return [plain(one) for one in thing]
    return thing.model_dump(mode="json") if hasattr(thing, "model_dump") else thing


def heard(response):
    """Status and headers of a raw response."""
    return {
        "status": response.status_code,
        "headers": sorted([name.lower(), value] for name, value in response.headers.multi_items()),
    }


def raw(response):
    """A raw response: its bytes, and the object they make."""
    return {**heard(response), "text": response.content.decode(), "object": plain(response.parse())}


def stream_bytes(manager):
    """A raw stream, read to its end."""
    with manager as response:
        return {**heard(response), "text": b"".join(response.iter_bytes()).decode()}


def events(stream):
    """A stream's events, or those before it broke."""
    seen = []
    try:
        seen.extend(plain(event) for event in stream)
    except Exception as error:
        seen.append({"broke": type(error).__name__})
    return seen


def failure(error):
    """What an SDK says of a call that failed."""
    response = getattr(error, "response", None)
    said = {"error": type(error).__name__, "message": str(error)}
    if response is not None:
        said |= {**heard(response), "text": response.text, "body": error.body, "request_id": error.request_id}
    return said


def all_of(calls, only=None):
    """Makes calls one after the other; only one of them where it is named."""
    return {name: made(call) for name, call in calls.items() if only in (None, name)}


def made(call):
    """What a call gave, or how it failed."""
    try:
        return plain(call())
    except Exception as error:
        return failure(error)


async def made_async(call):
    """As `made`, of a coroutine."""
    try:
        return plain(await call)
    except Exception as error:
        return failure(error)


def run(record):
    """Calls `record(base, given)` for each base; it returns a dictionary or the coroutine of one."""
    given = json.loads(sys.argv[1])
    found = {}
    for name, base in given["bases"].items():
        result = record(base, given)
        found[name] = asyncio.run(result) if asyncio.iscoroutine(result) else result
    json.dump(found, sys.stdout)


def turn(number):
    """The header that tells which call it is."""
    return {"Sage-Turn": str(number)}
