"""How often somebody has tried: counted in the database, so that all processes see the same.

By GCRA, as in `mainstay.http.rate_limit`: a key has one time, up to which its tries are used up. A
try moves it forward by the pace, and is refused when that leads too far ahead of now.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from examples.im.data import log
from examples.im.data.database import Database
from examples.im.data.tables import Try


class Tries:
    """The repository of tries.

    Args:
        database: where they are counted.
        pace: milliseconds for one try.
        burst: tries that may be made at once.
    """

    def __init__(self, database: Database, pace: int, burst: int) -> None:
        self._database = database
        self._pace = pace
        self._ahead = burst * pace

    async def take(self, key: bytes, now: int) -> int:
        """Count a try. 0, or the milliseconds until the next one may be made: this one may not."""
        return await self._database.write_silently(_take, key, self._pace, self._ahead, now)

    async def forget(self, key: bytes) -> None:
        """Whoever tried has made it."""
        await self._database.write_silently(
            lambda db: db.execute(delete(Try).where(Try.key == key))
        )

    async def sweep(self, now: int) -> int:
        """Forget the keys that have all their tries again; how many they were."""
        return await self._database.write_silently(
            lambda db: db.execute(delete(Try).where(Try.used_until <= now)).rowcount
        )


def _take(db: Connection, key: bytes, pace: int, ahead: int, now: int) -> int:
    log.take(db, 0)  # so that nobody else counts meanwhile
    used_until = db.scalar(select(Try.used_until).where(Try.key == key))
    used = max(used_until or 0, now) + pace
    if used > now + ahead:
        return used - ahead - now
    if used_until is None:
        db.execute(insert(Try), {"key": key, "used_until": used})
    else:
        db.execute(update(Try).where(Try.key == key).values(used_until=used))
    return 0
