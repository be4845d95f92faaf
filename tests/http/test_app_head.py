"""HEAD for streams, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mainstay.http.response import Response
from tests.http.site import running
from tests.net.serving import PATIENCE

pytestmark = pytest.mark.real_loop


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x"
        await asyncio.Event().wait()


async def test_head_does_not_wait_for_a_stream_without_end() -> None:
    """Its head is the whole answer, and the connection is free for the next request."""

    async def feed(call: Any) -> Response:
        return Response(endless(), content_type="text/event-stream")

    async with running({"GET /": feed}) as site:
        for _ in range(2):
            async with asyncio.timeout(PATIENCE):
                status, fields, body = await site.get("/", "HEAD")
            assert (status, body) == (200, b"")
            assert fields[b"content-type"] == b"text/event-stream"
        assert site.counts("GET /") == {200: 2}
