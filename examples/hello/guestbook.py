"""Where the guests are kept: in SQLite, in memory, and gone with the process."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Annotated

from msgspec import Meta, Struct

from mainstay.errors import NotFound

__all__ = ["Guest", "Guestbook", "NewGuest"]


class NewGuest(Struct):
    """What somebody writes into the book."""

    name: Annotated[str, Meta(min_length=1, max_length=40, examples=["Ada"])]
    stars: Annotated[int, Meta(ge=1, le=5)] = 5


class Guest(Struct):
    """A line of the book."""

    id: int
    name: str
    stars: int


class Guestbook:
    """The book.

    Args:
        connection: to an empty database, which the book closes.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._signed = asyncio.Condition()
        connection.execute("create table guest (id integer primary key, name text, stars integer)")

    async def sign(self, new: NewGuest) -> Guest:
        """Write a line, and wake whoever waits for one."""
        done = self._connection.execute(
            "insert into guest (name, stars) values (?, ?)", (new.name, new.stars)
        )
        async with self._signed:
            self._signed.notify_all()
        return Guest(done.lastrowid or 0, new.name, new.stars)

    def after(self, id: int, limit: int = 100) -> list[Guest]:
        """The lines after that with `id`, the oldest first."""
        rows = self._connection.execute(
            "select id, name, stars from guest where id > ? order by id limit ?", (id, limit)
        )
        return [Guest(*row) for row in rows]

    def read(self, id: int) -> Guest:
        """One line.

        Raises: NotFound.
        """
        for guest in self.after(id - 1, 1):
            if guest.id == id:
                return guest
        raise NotFound(f"nobody signed as number {id}")

    async def wait_signed(self) -> None:
        """Wait for the next line."""
        async with self._signed:
            await self._signed.wait()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()
