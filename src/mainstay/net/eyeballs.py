"""Connect to a name with several addresses: Happy Eyeballs (RFC 8305).

The families take turns, and each next address is tried when the one before has failed or has not
answered for `DELAY`; the first connection wins. asyncio has this inside `create_connection`, but
uvloop's has not, so it is here once for both.
"""

from __future__ import annotations

import asyncio
import socket
from itertools import chain, zip_longest
from typing import Any, Final, TypeAlias

__all__ = ["DELAY", "connect", "take_turns"]

DELAY: Final = 0.25
"""Seconds before the next address is tried beside the one before (RFC 8305 §5)."""

Target: TypeAlias = tuple[socket.AddressFamily, Any]
"""A family, and an address of it."""


async def connect(host: str, port: int) -> socket.socket:
    """A connected, non-blocking TCP socket.

    Raises: OSError of the last address when none answers, or of the resolver.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    targets = take_turns([(family, address) for family, _, _, _, address in found])
    if len(targets) == 1:
        return await _connect(*targets[0])
    return await _race(targets)


def take_turns(targets: list[Target]) -> list[Target]:
    """The same, the families alternating, in the resolver's order otherwise (RFC 8305 §4)."""
    groups: dict[int, list[Target]] = {}
    for each in targets:
        groups.setdefault(each[0], []).append(each)
    return [each for each in chain.from_iterable(zip_longest(*groups.values())) if each]


async def _race(targets: list[Target]) -> socket.socket:
    loop = asyncio.get_running_loop()
    waiting = list(reversed(targets))
    tasks: set[asyncio.Task[socket.socket]] = set()
    winner: socket.socket | None = None
    failure: BaseException = OSError("the name has no address")
    try:
        while waiting or tasks:
            if waiting:
                tasks.add(loop.create_task(_connect(*waiting.pop())))
            done, tasks = await asyncio.wait(
                tasks,
                timeout=DELAY if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                error = task.exception()
                if error is not None:
                    failure = error
                elif winner is None:
                    winner = task.result()
                else:
                    task.result().close()
            if winner is not None:
                won, winner = winner, None
                return won
        raise failure
    finally:
        if winner is not None:
            winner.close()
        await _give_up(tasks)


async def _give_up(tasks: set[asyncio.Task[socket.socket]]) -> None:
    for task in tasks:
        task.cancel()
    if not tasks:
        return
    for late in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(late, socket.socket):
            late.close()


async def _connect(family: socket.AddressFamily, address: Any) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made
