"""What tests of a client's connections share: their owner, and the end of a reply."""

from __future__ import annotations

from mainstay.net.outgoing import Incoming


class Owner:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.freed_count = 0
        self.gone_count = 0

    def freed(self, connection: object) -> None:
        self.freed_count += 1

    def gone(self, connection: object) -> None:
        self.gone_count += 1


async def whole(reply: Incoming) -> bytes:
    """The body, to its end."""
    parts = []
    while part := await reply.receive():
        parts.append(part)
    return b"".join(parts)
