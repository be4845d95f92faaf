"""Messages that take long to become objects: how many elements they may have, and where it is done.

The bytes of a message say little of its price. Protobuf's own code takes a submessage of two bytes
for a tenth of a microsecond; as an object of the user's class it costs fifty times as much, and as
JSON a hundred times. So what becomes a Python object one by one is counted: submessages and entries
of maps in protobuf, in JSON objects and items of lists. Scalars in lists of protobuf are not.

Messages of up to `LIGHT` bytes are not counted, for they cannot hold many. What is counted and has
at least `HEAVY` elements is made in a thread, one at a time: the loop goes on meanwhile, and several
threads would only take the interpreter away from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

from mainstay.core.threads import to_thread
from mainstay.errors import InvalidRequest, TooLarge
from mainstay.rpc.endpoint import RpcEndpoint
from mainstay.rpc.settings import RpcSettings

__all__ = [
    "HEAVY",
    "LIGHT",
    "LongMessage",
    "Weighed",
    "long_json",
    "off_loop",
    "too_many",
    "weigh_json",
]

LIGHT: Final = 64 * 1024
"""Bytes up to which a message is not weighed."""

HEAVY: Final = 2000
"""Elements from which a message is made in a thread: some ten milliseconds of work."""

_MEMBERS: Final = 100
"""Members of an object of JSON from which each counts: it is a map's then, and no message's."""

Weighed: TypeAlias = tuple[int, Callable[[], Any]]
"""Elements at most, and what makes the message; that may take long, and be done in any thread."""

_turns: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()


class LongMessage:
    """A message of a peer's that may hold many elements.

    Args:
        endpoint: whose request it is.
        data: its bytes, after decompression.
        settings: of the server.

    Raises: TooLarge for more elements than `RpcSettings.receive_elements`; InvalidRequest for what is
        no such message.
    """

    __slots__ = ("_make", "_name", "weight")

    def __init__(self, endpoint: RpcEndpoint, data: bytes, settings: RpcSettings) -> None:
        self._name = endpoint.method.request.name
        weigh = endpoint.weigh
        if weigh is None:
            self.weight = 0
            self._make: Callable[[], Any] = partial(endpoint.decode, data)
            return
        limit = settings.receive_elements if len(data) > LIGHT else LIGHT
        try:
            self.weight, self._make = weigh(data, limit)
        except ValueError as error:
            raise self._refusal(error) from None

    def make(self) -> Any:
        """The message, here and now. Raises: as the class."""
        try:
            return self._make()
        except ValueError as error:
            raise self._refusal(error) from None

    async def made(self) -> Any:
        """The message. Raises: as the class. It may be cancelled and asked for again."""
        return await off_loop(self.make) if self.weight >= HEAVY else self.make()

    def _refusal(self, error: Exception) -> InvalidRequest:
        return InvalidRequest(f"the message is no {self._name}: {error}")


async def off_loop(make: Callable[[], Any]) -> Any:
    """What `make` returns, made in a thread when those before it on this loop are made."""
    loop = asyncio.get_running_loop()
    turn = _turns.get(loop)
    if turn is None:
        turn = _turns[loop] = asyncio.Lock()
    async with turn:
        return await to_thread(make)


def too_many(limit: int) -> TooLarge:
    """The error for a message of more than `limit` elements."""
    return TooLarge(
        f"a message has more than the {limit} elements (messages, entries of maps, items of lists in "
        "JSON) allowed here: send fewer in one message, or several messages"
    )


def long_json(
    from_json: Callable[[bytes, int], Any],
) -> Callable[[bytes, int], Weighed]:
    """See `MessageType.weigh_json`, for a function that is given the limit as well."""

    def weigh(data: bytes, limit: int) -> Weighed:
        return _most(data), partial(from_json, data, limit)

    return weigh


def _most(data: bytes) -> int:
    """Elements that a text of JSON can have at most: marks within strings count as well."""
    return data.count(b"{") + data.count(b"[") + data.count(b",")


def weigh_json(data: bytes, value: Any, limit: int) -> None:
    """Refuse JSON of too many elements; more than `limit` of them are never looked at.

    Args:
        data: as it came.
        value: what it says.
        limit: elements.

    Raises: TooLarge.
    """
    if len(data) <= LIGHT or _most(data) <= limit:
        return
    left = limit
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            left -= len(each)
            members: Collection[Any] = each
        elif isinstance(each, dict):
            members = each.values()
            if len(each) > _MEMBERS:
                left -= len(each)
            else:
                left -= sum([isinstance(inner, dict) for inner in members])
        else:
            continue
        if left < 0:
            raise too_many(limit)
        waiting += [inner for inner in members if isinstance(inner, dict | list)]
