"""Who somebody is: accounts, passwords, sessions.

A session is a token of 256 random bits, which only its owner has: what is stored is its hash. So a
copy of the database opens nothing, and a sign-out counts at once, everywhere.
"""

from __future__ import annotations

import math
import secrets
from hashlib import sha256

from examples.im import api
from examples.im.data.accounts import Accounts
from examples.im.data.newcomers import Newcomer, Newcomers
from examples.im.data.tries import Tries
from examples.im.logic.passwords import Passwords
from examples.im.logic.rules import display_of, name_of, password_of
from examples.im.logic.settings import LogicSettings
from mainstay.core.effects import Clock
from mainstay.errors import Overloaded, Unauthenticated


class Signing:
    """The use cases around accounts; see `api.Logic` for each.

    Args:
        accounts: where they are kept.
        newcomers: where they begin.
        tries: to sign in, of one source to one account.
        settings: of the logic.
        clock: the world's.
    """

    def __init__(
        self,
        accounts: Accounts,
        newcomers: Newcomers,
        tries: Tries,
        settings: LogicSettings,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._newcomers = newcomers
        self._tries = tries
        self._passwords = Passwords(
            settings.password_cost, settings.passwords_at_once, settings.passwords_waiting
        )
        self._lasts = int(settings.session * 1000)
        self._clock = clock

    async def sign_up(self, given: api.Credentials, lobby: int) -> api.Session:
        """Make the account, in the lobby, and sign it in. Raises: InvalidRequest, Conflict."""
        name = name_of(given.name)
        display = display_of(given.display, given.name)
        password = await self._passwords.hash(password_of(given.password))
        now, token = self._now(), secrets.token_urlsafe(32)
        newcomer = Newcomer(name, display, password, _hash(token), now + self._lasts)
        account = await self._newcomers.add(newcomer, lobby, now)
        return api.Session(token, account, newcomer.expires_at)

    async def check(self, given: api.Credentials) -> api.Account:
        """Whose name and password they are. Raises: InvalidRequest, Unauthenticated, Overloaded."""
        name = name_of(given.name)
        tried = _hash(f"{name} {given.source}")
        wait = math.ceil(await self._tries.take(tried, self._now()) / 1000)
        if wait:
            raise Overloaded(
                f"too many tries to sign in as {name}: try again in {wait} s",
                metadata={"retry_after": str(wait)},
            )
        found = await self._accounts.find(name)
        kept = None if found is None else found.password
        if not await self._passwords.verify(given.password, kept) or found is None:
            raise Unauthenticated("the name or the password is wrong", reason="WRONG_PASSWORD")
        await self._tries.forget(tried)
        return found.account

    async def begin(self, account: api.Account) -> api.Session:
        """Sign an account in."""
        token = secrets.token_urlsafe(32)
        expires_at = self._now() + self._lasts
        await self._accounts.sign_in(_hash(token), account.id, expires_at)
        return api.Session(token, account, expires_at)

    async def who(self, given: api.Token) -> api.Session:
        """Whose session it is. Raises: Unauthenticated."""
        found = await self._accounts.signed_in(_hash(given.token), self._now())
        if found is None:
            raise Unauthenticated("the session has ended: sign in again", reason="NO_SESSION")
        return api.Session(given.token, found.account, found.expires_at)

    async def end(self, given: api.Token) -> None:
        """End a session, if there is one."""
        session = api.session_id(given.token)
        await self._accounts.sign_out(_hash(given.token), session, self._now())

    def _now(self) -> int:
        return int(self._clock.time() * 1000)


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
