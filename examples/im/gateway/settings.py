"""What can be set of a gateway."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from examples.im.api import TEXT_LIMIT

Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class GatewaySettings(Struct, frozen=True):
    """Limits and patience. Limits per user hold for each process of its own.

    Attributes:
        text: characters of a message; the logic takes no longer ones.
        messages_per_second: that one user may say, on all their clients together.
        burst: messages that they may say at once.
        clients: of one user at the same time.
        sign_ins_per_minute: tries to sign in or up, from one address.
        outbox: frames that may wait for a client before it counts as too slow.
        hello: seconds for a client's first frame.
        silence: seconds without a frame after which a client should ask whether we are there.
        patience: seconds for which a message is offered to a logic that cannot be reached.
        return_within: seconds over which clients come back when this gateway stops.
    """

    text: Annotated[int, Meta(ge=1, le=TEXT_LIMIT)] = TEXT_LIMIT
    messages_per_second: Positive = 10.0
    burst: Count = 30
    clients: Count = 10
    sign_ins_per_minute: Count = 120
    outbox: Count = 1000
    hello: Positive = 10.0
    silence: Positive = 25.0
    patience: Positive = 10.0
    return_within: Positive = 2.0
