"""How much time a caller gives: the deadline of a call as a header.

There is no standard field for it. ``x-request-timeout`` carries seconds as a decimal number, how
much is left and not when it ends, because clocks differ; it is what our client sends. Envoy's
``x-envoy-expected-rq-timeout-ms`` is understood as well.
"""

from __future__ import annotations

import re
from typing import Final

from mainstay.core.metadata import Metadata

__all__ = ["REQUEST_TIMEOUT", "budget_of", "say_budget"]

REQUEST_TIMEOUT: Final = "x-request-timeout"

_ENVOY: Final = "x-envoy-expected-rq-timeout-ms"
_SECONDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")

_MILLISECONDS: Final = re.compile(r"[0-9]{1,12}")


def budget_of(metadata: Metadata) -> float | None:
    """Seconds that the caller gives; None when it says nothing that can be understood."""
    value = metadata.get(REQUEST_TIMEOUT)
    if value is not None:
        return float(value) if _SECONDS.fullmatch(value) else None
    value = metadata.get(_ENVOY)
    return int(value) / 1000 if value is not None and _MILLISECONDS.fullmatch(value) else None


def say_budget(seconds: float) -> str:
    """The value of the field for what is left, in seconds."""
    return f"{max(seconds, 0.0):.3f}"
