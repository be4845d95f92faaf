"""Who a request is for: the value of Host and of ``:authority``."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["HOST"]

HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?", re.ASCII
)
"""A host and perhaps a port (RFC 3986 §3.2.2); no user, which no request may name."""
