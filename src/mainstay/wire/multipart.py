"""The parts of a ``multipart/form-data`` body, as the bytes come (RFC 7578, RFC 2046 §5.1).

The scanner is that of python-multipart, through its callbacks. This file adds what it leaves to its
user: names and types of parts, bounds on their number and heads, and one kind of error.

However the bytes are cut into pieces, the parts are the same. A body begins with its boundary:
a preamble, which no client of forms sends, is refused, and an epilogue is dropped.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from mainstay.core.metadata import Metadata
from mainstay.errors import InvalidRequest, TooLarge
from mainstay.wire.parameters import parse_parameters

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["MultipartReader", "PartHead", "boundary_of"]

_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_HARMLESS_ENCODINGS: Final = ("", "7bit", "8bit", "binary")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")

# The scanner logs what it refuses, each time; whoever sends garbage would fill the log.
# Not `getLogger`: nobody else is to find it, or to change its level.
_silent: Final = logging.Logger("mainstay.wire.multipart", logging.CRITICAL + 1)  # noqa: LOG001


@dataclass(frozen=True, slots=True)
class PartHead:
    """What stands before the content of a part.

    Attributes:
        name: of the form's field.
        filename: None for a plain field; empty when no file was chosen. The last component of what
            the peer sent, without control characters; never use it as a path all the same.
        content_type: as sent; ``text/plain`` when nothing is said (RFC 7578 §4.4).
        headers: all fields.
    """

    name: str
    filename: str | None
    content_type: str
    headers: Metadata


def boundary_of(parameters: dict[str, str]) -> bytes:
    """The boundary that the parameters of a content type name.

    Raises: InvalidRequest when there is none, or it breaks RFC 2046 §5.1.1.
    """
    boundary = parameters.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise InvalidRequest("the content type names no boundary, or one that cannot be")
    return boundary.encode("ascii")


class MultipartReader:
    """Bytes in, parts out.

    Args:
        boundary: see `boundary_of`.
        most_parts: parts in one body.
        head_size: bytes of the fields of one part, names and values.
        header_count: fields of one part.

    Attributes:
        finished: whether the closing boundary was seen.
    """

    def __init__(
        self,
        boundary: bytes,
        *,
        most_parts: int = 1100,
        head_size: int = 4096,
        header_count: int = 8,
    ) -> None:
        self.finished = False
        self._delimiter = b"--" + boundary
        self._most_parts = most_parts
        self._head_size = head_size
        self._header_count = header_count
        self._begun = False
        self._start = b""
        self._out: list[PartHead | bytes] = []
        self._parts = 0
        self._size = 0
        self._name = bytearray()
        self._value = bytearray()
        self._fields: list[tuple[bytes, bytes]] = []
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._on_part,
            "on_part_data": self._on_data,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_head,
            "on_end": self._on_end,
        }
        self._parser = MultipartParser(boundary, callbacks)
        self._parser.logger = _silent

    def receive_data(self, data: bytes) -> list[PartHead | bytes]:
        """What `data` brings: the head of each part that begins, and pieces of content.

        A part has ended when the next head comes, or when the reader is `finished`.

        Args:
            data: the next piece of the body; ``b""`` at its end.

        Raises: InvalidRequest when the body is malformed or ends too early; TooLarge above a bound.
        """
        if self.finished:
            return []
        if not data:
            raise InvalidRequest("the multipart body ends before its closing boundary")
        if not self._begun:
            data = self._begin(data)
        if data:
            try:
                self._parser.write(data)
            except FormParserError as error:
                raise InvalidRequest(f"the multipart body is malformed: {error}") from None
        out, self._out = self._out, []
        return out

    def _begin(self, data: bytes) -> bytes:
        """What the scanner gets, once it is known that the body begins with its boundary."""
        start = (self._start + data).lstrip(b"\r\n")
        if not self._delimiter.startswith(start[: len(self._delimiter)]):
            raise InvalidRequest("the multipart body does not begin with its boundary")
        if len(start) < len(self._delimiter):
            self._start = start
            return b""
        self._begun = True
        return start

    # --- what the scanner calls -----------------------------------------------------------------

    def _on_part(self) -> None:
        self._parts += 1
        if self._parts > self._most_parts:
            raise TooLarge(f"the form has more than {self._most_parts} parts")
        self._size = 0
        self._fields = []

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._out.append(data[start:end])

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._grow(end - start)
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._grow(end - start)
        self._value += data[start:end]

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._head_size:
            raise TooLarge(f"the head of a part has more than {self._head_size} bytes")

    def _on_header_end(self) -> None:
        self._fields.append((bytes(self._name).lower(), bytes(self._value).strip()))
        self._name.clear()
        self._value.clear()
        if len(self._fields) > self._header_count:
            raise TooLarge(f"the head of a part has more than {self._header_count} fields")

    def _on_head(self) -> None:
        self._out.append(_head(self._fields))

    def _on_end(self) -> None:
        self.finished = True


def _head(fields: list[tuple[bytes, bytes]]) -> PartHead:
    try:
        headers = Metadata((name.decode("ascii"), value.decode()) for name, value in fields)
    except UnicodeDecodeError:
        raise InvalidRequest("the head of a part is no UTF-8") from None
    dispositions = headers.get_all("content-disposition")
    if len(dispositions) != 1:
        raise InvalidRequest("a part of the form has not one content-disposition")
    kind, parameters = parse_parameters(dispositions[0])
    name = parameters.get("name")
    if kind != "form-data" or name is None:
        raise InvalidRequest("a part of the form has no name")
    encoding = headers.get("content-transfer-encoding", "") or ""
    if encoding.lower() not in _HARMLESS_ENCODINGS:
        message = f"the part {name!r} has a content-transfer-encoding, which forms lack (RFC 7578)"
        raise InvalidRequest(message)
    filename = parameters.get("filename")
    if filename is not None:
        # Some old browsers send a whole path, of their own system.
        filename = _CONTROLS.sub("", re.split(r"[/\\]", filename)[-1])
    return PartHead(name, filename, headers.get("content-type") or "text/plain", headers)
