"""What a peer accepts: lists with qualities, such as ``br;q=1, gzip;q=0.5`` (RFC 9110 §12)."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["accepts_type", "preferred_encoding", "qualities"]


def qualities(field: str) -> dict[str, float]:
    """The members of an ``accept…`` field in lower case, with their quality from 0 to 1.

    Parameters other than ``q`` are dropped; what cannot be read counts as 0.
    """
    found: dict[str, float] = {}
    for member in field.split(","):
        name, *parameters = member.split(";")
        name = name.strip().lower()
        if not name:
            continue
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                quality = _quality(value.strip())
        found[name] = quality
    return found


def preferred_encoding(field: str | None, offered: Sequence[str]) -> str | None:
    """The content coding of `offered` that the peer likes best, or None for the plain content.

    Args:
        field: the ``accept-encoding`` of the request; None when there was none.
        offered: best first; the order decides between those that the peer likes equally.
    """
    if not field:
        return None
    wanted = qualities(field)
    best, chosen = 0.0, None
    for coding in offered:
        quality = wanted.get(coding, wanted.get("*", 0.0))
        if quality > best:
            best, chosen = quality, coding
    # Plain content is acceptable unless it is forbidden, but liked only if it is named.
    return chosen if best >= wanted.get("identity", 0.0) else None


def accepts_type(field: str | None, media_type: str) -> bool:
    """Whether an ``accept`` field allows `media_type`; everything is allowed when there is none."""
    if not field:
        return True
    wanted = qualities(field)
    family = media_type.partition("/")[0] + "/*"
    for name in (media_type, family, "*/*"):
        if name in wanted:
            return wanted[name] > 0
    return False


def _quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1.0 else 0.0
