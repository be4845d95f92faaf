"""Who is new: an account, its place in the lobby and its first session, all of them or none."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from examples.im import api
from examples.im.data import log
from examples.im.data.accounts import add, begin_session
from examples.im.data.conversations import enter
from examples.im.data.database import Database


class Newcomer(NamedTuple):
    """Somebody who has no account yet.

    Attributes:
        name, display: of the account.
        password: the hash of it.
        token_hash, expires_at: of the first session.
    """

    name: str
    display: str
    password: bytes
    token_hash: bytes
    expires_at: int


class Newcomers:
    """The repository of what an account begins with."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, newcomer: Newcomer, lobby: int, now: int) -> api.Account:
        """Make the account, in a room, and sign it in. Raises: Conflict when the name is taken."""
        return await self._database.write(_add, newcomer, lobby, now)


def _add(db: Connection, newcomer: Newcomer, lobby: int, now: int) -> api.Account:
    first = log.take(db, 1)
    account = add(db, newcomer.name, newcomer.display, newcomer.password, now)
    enter(db, first, lobby, [account.id], now)
    begin_session(db, newcomer.token_hash, account.id, newcomer.expires_at)
    return account
