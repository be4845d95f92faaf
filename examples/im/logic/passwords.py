"""Passwords: kept as what scrypt makes of them, which is slow and takes memory on purpose.

What is kept says how it was made, so that a later cost does not shut out earlier users::

    cost (1 byte)  salt (16 bytes)  key (32 bytes)

r is 8 and p is 5: with a cost of 14 one of the settings that OWASP's cheat sheet on the storage of
passwords holds to be enough.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from typing import Final

from mainstay import to_thread
from mainstay.errors import Overloaded

_R: Final = 8
_P: Final = 5
_SALT: Final = 16
_KEY: Final = 32
_ROOM: Final = 2
"""Times what scrypt needs by the book: OpenSSL wants some memory beside it."""


class Passwords:
    """Makes and checks what is kept of passwords, in threads.

    Args:
        cost: the binary logarithm of scrypt's N, for new passwords.
        at_once: that are hashed, at most: each takes a processor, and megabytes.
        waiting: that may wait for their turn. More are refused at once, as who waits for long has
            left when the turn comes.

    Raises of all: Overloaded when too many wait.
    """

    def __init__(self, cost: int = 14, at_once: int = 2, waiting: int = 20) -> None:
        self._cost = cost
        self._turns = asyncio.Semaphore(at_once)
        self._inside = 0
        self._most = at_once + waiting
        self._nobody = bytes([cost]) + secrets.token_bytes(_SALT + _KEY)

    async def hash(self, password: str) -> bytes:
        """What to keep."""
        salt = secrets.token_bytes(_SALT)
        return bytes([self._cost]) + salt + await self._derive(password, self._cost, salt)

    async def verify(self, password: str, kept: bytes | None) -> bool:
        """Whether it is the one. Where nothing is kept it takes as long, so that the time does not
        tell who has an account."""
        known = self._nobody if kept is None else kept
        key = await self._derive(password, known[0], known[1 : 1 + _SALT])
        return hmac.compare_digest(key, known[1 + _SALT :]) and kept is not None

    async def _derive(self, password: str, cost: int, salt: bytes) -> bytes:
        if self._inside >= self._most:
            raise Overloaded(
                "too many sign in at the same time: try again in a second",
                metadata={"retry_after": "1"},
            )
        self._inside += 1
        try:
            async with self._turns:
                return await to_thread(_scrypt, password.encode(errors="surrogatepass"), cost, salt)
        finally:
            self._inside -= 1


def _scrypt(password: bytes, cost: int, salt: bytes) -> bytes:
    n = 1 << cost
    memory = _ROOM * 128 * _R * (n + _P)
    return hashlib.scrypt(password, salt=salt, n=n, r=_R, p=_P, maxmem=memory, dklen=_KEY)
