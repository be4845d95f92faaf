"""The stream to the gateway, kept open: it is opened again whenever it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from examples.im import frames
from examples.im.frames import ClientFrame, FromClient, FromGateway, Hello, ServerFrame
from mainstay.core.backoff import Backoff
from mainstay.errors import ClosedError, EndOfStream
from mainstay.rpc import Code, RpcFailed

BACKOFF = Backoff(initial=0.2, factor=2.0, maximum=5.0, jitter=0.5)
"""Between attempts: quick at first, since a gateway that is restarted is back within a second."""


_IN_VAIN = frozenset({Code.UNAUTHENTICATED, Code.INVALID_ARGUMENT})
"""Codes of an end after which it would be in vain to come back."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The stream ended, and is being opened again; why, if the gateway or the way to it said so."""

    why: str = ""


class Refused(Exception):
    """The gateway does not take this client, and will not later."""


class Link:
    """Keeps a stream open until its task is cancelled.

    Args:
        talk: the method ``im.v1.Gateway/Talk`` of a client.
        hello: makes the first frame of each stream.
        heard: takes each frame, and `Lost` after an end.
        random: spreads what many clients do at once.
    """

    def __init__(
        self,
        talk: Any,
        hello: Callable[[], Hello],
        heard: Callable[[ServerFrame | Lost], None],
        random: Random,
    ) -> None:
        self._talk, self._hello, self._heard, self._random = talk, hello, heard, random
        self._stream: Any = None
        self._failures = 0
        self._pause = 0.0

    async def send(self, frame: ClientFrame) -> None:
        """Send a frame. What the stream has lost when it ends is for the caller to send again."""
        if self._stream is not None:
            # `run` sees the end of a stream as well, and opens another.
            with suppress(ClosedError, RpcFailed):
                await self._stream.send(FromClient(frame))

    async def run(self) -> None:
        """Raises: Refused."""
        while True:
            self._pause, why = 0.0, ""
            try:
                await self._once()
            except RpcFailed as error:
                if error.code in _IN_VAIN:
                    raise Refused(error.message) from None
                why = error.message
            except TimeoutError:
                why = "the gateway is silent"
            self._stream = None
            self._heard(Lost("the gateway restarts" if self._pause else why))
            self._failures += 1
            await asyncio.sleep(self._pause or BACKOFF.delay(self._failures, self._random))

    async def _once(self) -> None:
        async with self._talk(wait_for_ready=True) as stream:
            await stream.send(FromClient(self._hello()))
            silence = 25.0
            while True:
                try:
                    said = await self._next(stream, silence)
                except EndOfStream:
                    return
                frame = said.frame
                if isinstance(frame, frames.Welcome):
                    self._stream, self._failures, silence = stream, 0, frame.silence
                elif isinstance(frame, frames.Reconnect):
                    self._pause = frame.after
                self._heard(frame)

    async def _next(self, stream: Any, silence: float) -> FromGateway:
        """The next frame; after too long without one the gateway is asked, and then not believed.

        Raises: EndOfStream, RpcFailed, TimeoutError.
        """
        said: FromGateway
        try:
            async with asyncio.timeout(silence):
                said = await stream.receive()
        except TimeoutError:
            await stream.send(FromClient(frames.Ping()))
            async with asyncio.timeout(silence):
                said = await stream.receive()
        return said
