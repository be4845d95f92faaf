"""How often somebody may call: GCRA, the generic cell rate algorithm, for each key.

A key has one number, the time at which it would have used up what it did (the theoretical arrival
time of ITU-T I.371, Annex A). A call moves it forward by ``per / calls``; it is refused when that
leads further than the burst ahead of now. It acts like a bucket that holds `burst` tokens and is
refilled evenly, without a timer, and needs no other memory.

The counts are those of one process: with several, each allows as much.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any, Final, NamedTuple

from mainstay.core.call import Call, Handler, Middleware
from mainstay.errors import HttpError, Overloaded, UsageError
from mainstay.http.call import HttpCall
from mainstay.http.middleware.base import ip_of

__all__ = ["Gcra", "Verdict", "peer_key", "rate_limit"]

_LONG: Final = 128
"""Characters above which a key is kept as its hash: keys may be the peers' words."""

_IPV6: Final = 6


class Verdict(NamedTuple):
    """What became of one call.

    Attributes:
        allowed: whether it may go on.
        remaining: calls that may follow at once.
        retry_after: seconds until the next one may, if this one may not.
        reset: seconds until as many may as ever.
    """

    allowed: bool
    remaining: int
    retry_after: float
    reset: float


class Gcra:
    """Rates by key; the one that was used longest ago is forgotten for a new one.

    Args:
        calls: that are allowed in `per` seconds, evenly.
        per: seconds.
        burst: calls at once.
        keys: remembered at most.
    """

    __slots__ = ("_ahead", "_burst", "_interval", "_keys", "_times")

    def __init__(self, calls: float, per: float, burst: int, keys: int) -> None:
        self._interval = per / calls
        self._ahead = burst * self._interval
        self._burst = burst
        self._keys = keys
        self._times: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str, now: float) -> Verdict:
        """Count one call of `key` at `now`, in seconds of any clock that does not go back."""
        times = self._times
        time = max(times.get(key, now), now)
        used = time + self._interval - now
        # Sums of fractions are not exact; a call that is a nanosecond too early is in time.
        if used > self._ahead + 1e-9:
            return Verdict(False, 0, used - self._ahead, time - now)
        times[key] = now + used
        times.move_to_end(key)
        if len(times) > self._keys:
            times.popitem(last=False)
        remaining = int((self._ahead - used) / self._interval + 1e-9)
        return Verdict(True, remaining, 0.0, used)

    def __len__(self) -> int:
        return len(self._times)


def peer_key(call: Call) -> str | None:
    """The peer's address; of IPv6 the network of 64 bits, which is what one customer gets. None for
    peers without one, such as those of a Unix socket."""
    address = ip_of(call.request.peer if isinstance(call, HttpCall) else call.scope.peer)
    if not address:
        return None
    parsed = ip_address(address)
    return address if parsed.version != _IPV6 else str(ip_network((parsed, 64), strict=False))


def rate_limit(
    calls: int,
    *,
    per: float = 60.0,
    burst: int | None = None,
    key: Callable[[Call], str | None] = peer_key,
    max_keys: int = 10_000,
    name: str = "default",
) -> Middleware:
    """Refuse with 429 whoever calls more often; ``retry-after`` says when to come back.

    Every reply has ``ratelimit-policy`` and ``ratelimit`` (draft-ietf-httpapi-ratelimit-headers-10).
    Calls of every transport count, those in process do not.

    Args:
        calls: allowed in `per` seconds, evenly.
        per: seconds.
        burst: calls at once; `calls` unless given.
        key: names whom a call is counted for; None for nobody. By default the peer, so behind a
            proxy list `trusted_proxies` first; after authentication, it may be the principal.
        max_keys: remembered at a time, about 200 bytes each; above it, those that called longest
            ago start anew.
        name: of the policy, in the fields.

    Raises: UsageError for numbers that are no rate.
    """
    at_once = calls if burst is None else burst
    if calls < 1 or not 0 < per < math.inf or at_once < 1 or max_keys < 1:
        raise UsageError("rate_limit: calls, per, burst and max_keys are more than 0")
    if not name.isascii() or not name.isprintable() or '"' in name or "\\" in name:
        raise UsageError(f"rate_limit: {name!r} cannot be the name of a policy")
    gcra = Gcra(calls, per, at_once, max_keys)
    policy = f'"{name}";q={calls};w={math.ceil(per)}'

    async def middleware(call: Call, next: Handler) -> Any:
        found = None if call.transport == "local" else key(call)
        if found is None:
            return await next(call)
        if len(found) > _LONG:
            found = hashlib.sha256(found.encode("utf-8", "surrogatepass")).hexdigest()
        verdict = gcra.take(found, call.scope.effects.clock.monotonic())
        if isinstance(call, HttpCall):
            headers = call.request.reply_headers
            headers.set("ratelimit-policy", policy)
            headers.set("ratelimit", f'"{name}";r={verdict.remaining};t={math.ceil(verdict.reset)}')
        if verdict.allowed:
            return await next(call)
        seconds = str(max(1, math.ceil(verdict.retry_after)))
        message = f"too many calls; try again in {seconds} s"
        if isinstance(call, HttpCall):
            later = {"retry-after": seconds}
            raise HttpError(429, message, headers=later, reason=Overloaded.reason)
        raise Overloaded(message, metadata={"retry_after": seconds})

    return middleware
