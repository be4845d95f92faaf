"""The end of the log, read once for all who follow it.

A commit of this process is read at once, one of another process by looking every few hundredths of
a second. A broker between the processes would call `Tail.wake` instead.

What was read is kept for a while as pages, each under the place after which it begins. Who follows
from such a place gets the page that all others get; who comes from further back, or from between
two pages, is read to by the database until they have caught up.
"""

from __future__ import annotations

from asyncio import Event, timeout
from collections import OrderedDict
from collections.abc import AsyncIterator

from examples.im import api
from examples.im.data import log
from examples.im.data.database import Database

_KEPT = 256
"""Pages that are kept."""

_LIMIT = 2000
"""Events of a page of the past, about, at most."""


class Tail:
    """Follows the log. `run` has to run for it; it is told of commits by the database.

    Args:
        database: of the log.
        poll: seconds after which it looks whether others have written.
        page: events that are read at once, about.
    """

    def __init__(self, database: Database, *, poll: float = 0.05, page: int = 500) -> None:
        self._database = database
        self._poll = poll
        self._page = page
        self._pages: OrderedDict[int, api.Events] = OrderedDict()
        self._place = api.NOW
        self._woken = Event()
        self._moved = Event()
        self.reads = 0
        database.on_commit(self.wake)

    def __repr__(self) -> str:
        return f"<Tail at {self._place}, {len(self._pages)} pages>"

    def wake(self) -> None:
        """Something was written: look at once."""
        self._woken.set()

    async def run(self) -> None:
        """Read on, for ever. Raises: BrokenError when the database does not answer; to be run
        again, then: those who follow only wait longer."""
        if self._place == api.NOW:
            self._moved_to(await self._database.follow(log.place))
        while True:
            await self._waited()
            while await self._read_on():
                pass

    async def feed(self, since: api.Since, *, silence: float = 1.0) -> AsyncIterator[api.Events]:
        """What happened after a place, and happens, without end.

        The first page comes at once; after `silence` seconds without events, an empty one. A page of
        the past has about `since.limit` events.

        Raises: BrokenError when the database does not answer.
        """
        while self._place == api.NOW:
            await self._moved.wait()
        limit = max(1, min(since.limit, _LIMIT))
        place = await self._beginning(since.after)
        page = await self._after(place, limit) or api.Events([], place)
        while True:
            yield page
            place = page.seq
            page = await self._next(place, limit, silence)

    async def _beginning(self, after: int) -> int:
        """Where to begin. A place that is not yet, as after a database was put back, is the end."""
        if after > self._place:  # this process may be behind another
            after = min(after, await self._database.read(log.place))
        return self._place if after == api.NOW else after

    async def _next(self, place: int, limit: int, silence: float) -> api.Events:
        """The page after a place, waited for."""
        try:
            async with timeout(silence):
                while True:
                    moved = self._moved
                    if page := await self._after(place, limit):
                        return page
                    await moved.wait()
        except TimeoutError:
            return api.Events([], place)

    async def _after(self, place: int, limit: int) -> api.Events | None:
        """The page after a place, if there is one."""
        if place >= self._place:
            return None
        if page := self._pages.get(place):
            return page
        return await self._database.read(log.read, place, self._place, limit)

    async def _waited(self) -> None:
        try:
            async with timeout(self._poll):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    async def _read_on(self) -> bool:
        """Read a page; whether there may be more."""
        self.reads += 1
        page = await self._database.follow(log.read, self._place, None, self._page)
        if page.seq == self._place:
            return False
        self._pages[self._place] = page
        if len(self._pages) > _KEPT:
            self._pages.popitem(last=False)
        self._moved_to(page.seq)
        return log.is_full(page, self._page)

    def _moved_to(self, place: int) -> None:
        self._place = place
        moved, self._moved = self._moved, Event()
        moved.set()
