"""Users, and their sign-ins."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, Select, delete, insert, select
from sqlalchemy.exc import IntegrityError

from examples.im import api
from examples.im.data import log
from examples.im.data.database import Database
from examples.im.data.tables import Session, User
from mainstay.errors import Conflict


class Secret(NamedTuple):
    """A user and the hash of their password; None for one who cannot sign in."""

    account: api.Account
    password: bytes | None


class SignedIn(NamedTuple):
    """A user and when their session ends."""

    account: api.Account
    expires_at: int


class Accounts:
    """The repository of users and sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, name: str, display: str, password: bytes, now: int) -> api.Account:
        """Make a user. Raises: Conflict when the name is taken."""
        return await self._database.write(add, name, display, password, now)

    async def find(self, name: str) -> Secret | None:
        """The user of a name, for who wants to compare a password."""
        return await self._database.read(_find, name)

    async def some(self, ids: Collection[int]) -> list[api.Account]:
        """Users by their ids; who does not exist is left out."""
        return await self._database.read(_some, ids)

    async def beginning(self, text: str, limit: int) -> list[api.Account]:
        """Users whose names begin with `text`, by name."""
        return await self._database.read(_beginning, text, limit)

    async def sign_in(self, token_hash: bytes, user: int, expires_at: int) -> None:
        """Begin a session."""
        await self._database.write_silently(begin_session, token_hash, user, expires_at)

    async def signed_in(self, token_hash: bytes, now: int) -> SignedIn | None:
        """Whose session it is, if it has not ended."""
        return await self._database.read(_signed_in, token_hash, now)

    async def sign_out(self, token_hash: bytes, session: str, now: int) -> bool:
        """End a session and tell it, by the name `session`. Returns whether there was one."""
        return await self._database.write(_sign_out, token_hash, session, now)

    async def sweep(self, now: int) -> int:
        """Forget sessions that have ended by themselves; how many they were."""
        return await self._database.write_silently(
            lambda db: db.execute(delete(Session).where(Session.expires_at <= now)).rowcount
        )


def account(row_id: int, name: str, display: str, password: bytes | None) -> api.Account:
    """A row of `ACCOUNT` as others see it."""
    return api.Account(row_id, name, display, imported=password is None)


ACCOUNT = (User.id, User.name, User.display, User.password)
"""The columns that `account` takes."""


def accounts(db: Connection, question: Select[int, str, str, bytes | None]) -> list[api.Account]:
    """The rows of a question for `ACCOUNT`."""
    return [account(*row) for row in db.execute(question)]


def add(db: Connection, name: str, display: str, password: bytes, now: int) -> api.Account:
    """Make a user. Raises: Conflict when the name is taken."""
    row = {"name": name, "display": display, "password": password, "created_at": now}
    try:
        with db.begin_nested():
            user = db.execute(insert(User).values(last_seen=now, **row).returning(User.id))
            return api.Account(user.scalar_one(), name, display)
    except IntegrityError as error:
        raise Conflict(f"the name {name} is taken; choose another one") from error


def begin_session(db: Connection, token_hash: bytes, user: int, expires_at: int) -> None:
    """Sign a user in."""
    row = {"token_hash": token_hash, "user_id": user, "expires_at": expires_at}
    db.execute(insert(Session), row)


def _find(db: Connection, name: str) -> Secret | None:
    row = db.execute(select(*ACCOUNT).where(User.name == name)).one_or_none()
    return Secret(account(*row), row.password) if row else None


def _some(db: Connection, ids: Collection[int]) -> list[api.Account]:
    return accounts(db, select(*ACCOUNT).where(User.id.in_(ids)).order_by(User.name))


def _beginning(db: Connection, text: str, limit: int) -> list[api.Account]:
    question = select(*ACCOUNT).order_by(User.name).limit(limit)
    return accounts(db, question.where(User.name >= text, User.name < f"{text}\U0010ffff"))


def _signed_in(db: Connection, token_hash: bytes, now: int) -> SignedIn | None:
    row = db.execute(
        select(Session.expires_at, *ACCOUNT)
        .join(User, User.id == Session.user_id)
        .where(Session.token_hash == token_hash, Session.expires_at > now)
    ).one_or_none()
    return SignedIn(account(*row[1:]), row.expires_at) if row else None


def _sign_out(db: Connection, token_hash: bytes, session: str, now: int) -> bool:
    first = log.take(db, 1)
    user = db.scalar(
        delete(Session).where(Session.token_hash == token_hash).returning(Session.user_id)
    )
    if user is not None:
        log.tell(db, [(first, api.SignedOut(user, session))], now)
    return user is not None
