"""Which media type a file has by its name, the same on every machine."""

from __future__ import annotations

import mimetypes
from typing import Final

__all__ = ["content_disposition", "guess_type"]

# Newer than the table of the oldest Python we run on, or wrong in it.
_NEWER: Final = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".webmanifest": "application/manifest+json",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".xml": "application/xml",
    ".ico": "image/x-icon",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".opus": "audio/ogg",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".otf": "font/otf",
    ".wasm": "application/wasm",
    ".gz": "application/gzip",
    ".br": "application/octet-stream",
    ".zst": "application/zstd",
    ".7z": "application/x-7z-compressed",
}

# Characters that are the same in every way to write a file name (RFC 8187 attr-char).
_PLAIN: Final = frozenset(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$&+-.^_`|~"
)

_LAST_CONTROL: Final = 31
_DELETE: Final = 127

# Of Python alone: the files of the system that `mimetypes` reads by default differ.
_types: Final = mimetypes.MimeTypes(filenames=())


def guess_type(name: str) -> str:
    """The media type of a file called `name`, with a charset for text: it is taken for UTF-8."""
    dot = name.rfind(".")
    extension = name[dot:].lower() if dot > name.rfind("/") else ""
    kind = _NEWER.get(extension) or _types.types_map[1].get(extension)
    if kind is None:
        return "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def content_disposition(filename: str, *, inline: bool = False) -> str:
    """The field that offers a download under `filename` (RFC 6266), in any script.

    A name beyond plain ASCII is given twice: as RFC 8187 says, and with ``_`` in the place of what
    old clients cannot read. Control characters and folders are taken off.
    """
    name = filename.replace("\\", "/").rpartition("/")[2]
    name = "".join(each for each in name if not _is_control(each)) or "download"
    kind = "inline" if inline else "attachment"
    fallback = "".join(each if _is_quotable(each) else "_" for each in name)
    field = f'{kind}; filename="{fallback}"'
    if fallback == name:
        return field
    extended = "".join(
        chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in name.encode("utf-8", "replace")
    )
    return f"{field}; filename*=UTF-8''{extended}"


def _is_control(character: str) -> bool:
    return ord(character) <= _LAST_CONTROL or ord(character) == _DELETE


def _is_quotable(character: str) -> bool:
    # RFC 6266 appendix D: quotes, backslashes and percents are read in several ways.
    return character.isascii() and character not in '"\\%'
