"""The format of the log where the settings of the service are not known: before it, and beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast, get_args

from mainstay.observe.handler import Format

__all__ = ["asked_format", "line"]


def asked_format(flags: Sequence[str], environ: Mapping[str, str]) -> Format:
    """The format of the log, as far as it is seen without knowing the service; "auto" otherwise.

    A wrong value is for the service to refuse.
    """
    found = [value for key, value in environ.items() if key.endswith("__MAINSTAY__LOG__FORMAT")]
    for flag in flags:
        key, _, value = flag.partition("=")
        if key.strip() == "mainstay.log.format":
            found.append(value.strip())
    for value in reversed(found):
        for known in get_args(Format):
            if value == known:
                return cast("Format", known)
    return "auto"


def line(text: str, format: Format) -> bytes:
    """A line for standard error that whoever reads the log there understands, without the log."""
    if format == "text" or (format == "auto" and os.isatty(2)):
        return f"mainstay: {text}\n".encode(errors="replace")
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    record = {"time": time, "level": "warning", "logger": "mainstay", "message": text}
    return json.dumps(record).encode() + b"\n"
