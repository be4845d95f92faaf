"""What can be set of the logic."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

DAY = 24 * 3600.0


class LogicSettings(Struct, frozen=True):
    """The rules of the house.

    Attributes:
        session: seconds that a sign-in holds.
        tries: of signing in to one account from one address, in a minute, at all processes together;
            who has made it begins anew.
        password_cost: the binary logarithm of scrypt's N: 14 takes 16 MiB and a fifth of a second.
        passwords_at_once: that are hashed; who comes later waits.
        passwords_waiting: for their turn, at most; who comes later is refused.
        lease: seconds that a gateway is believed which says nothing.
        signals: seconds that events are kept that are no messages.
    """

    session: Annotated[float, Meta(gt=0)] = 30 * DAY
    tries: Annotated[int, Meta(ge=1, le=60_000)] = 10
    password_cost: Annotated[int, Meta(ge=1, le=20)] = 14
    passwords_at_once: Annotated[int, Meta(ge=1)] = 2
    passwords_waiting: Annotated[int, Meta(ge=0)] = 20
    lease: Annotated[float, Meta(gt=0)] = 6.0
    signals: Annotated[float, Meta(gt=0)] = 60.0
