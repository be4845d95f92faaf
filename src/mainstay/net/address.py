"""Where to listen or connect, as a value and as text.

====================  =======================================================================
``tcp://host:port``   a name, an IPv4 address, or an IPv6 address in brackets; port 0 means any
``host:port``         the same
``:port``             every interface, IPv4 and IPv6
``unix:path``         a Unix socket; ``unix:///run/x.sock`` is understood too
``fd:number``         a socket that listens already, inherited from whoever started the process
``fd://name``         the same, by the name that a service manager has given it
====================  =======================================================================

The text of an address parses to the same address again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from typing import Final, Literal

from mainstay.errors import UsageError

__all__ = ["Address"]

_EXAMPLES: Final = "write tcp://127.0.0.1:8000, :8000, unix:/run/app.sock or fd:3"
_NAME: Final = re.compile(r"[!-9;-~]{1,255}")
_PORT_MAX: Final = 65535
_HOST: Final = re.compile(r"[A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Address:
    """One address; make it with `from_text`.

    Attributes:
        kind: which of the other attributes mean something.
        host: of ``tcp``; a name or number without brackets; empty for every interface.
        port: of ``tcp``; 0 for any free one.
        path: of ``unix``.
        descriptor: of ``fd``; -1 when it is known by name.
        name: of ``fd``; empty when it is known by number.
    """

    kind: Literal["tcp", "unix", "fd"]
    host: str = ""
    port: int = 0
    path: str = ""
    descriptor: int = -1
    name: str = ""

    @classmethod
    def from_text(cls, text: str) -> Address:
        """Understand the forms listed at the top of the file.

        Raises: UsageError that quotes `text` and says what is wrong with it.
        """
        scheme, separator, rest = text.partition("://")
        if separator and scheme not in {"tcp", "unix", "fd"}:
            raise _wrong(text, f"{scheme}:// is no kind of address")
        if text.startswith("unix:"):
            return cls("unix", path=_path(text, rest if separator else text[len("unix:") :]))
        if separator and scheme == "fd":
            return cls("fd", name=_fd_name(text, rest))
        if text.startswith("fd:"):
            return cls("fd", descriptor=_number(text, text[len("fd:") :], "descriptor"))
        host, port = _host_and_port(text, rest if separator else text)
        return cls("tcp", host=host, port=port)

    def with_port(self, port: int) -> Address:
        """The same address with another port; what port 0 became."""
        return replace(self, port=port)

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{self.path}"
        if self.kind == "fd":
            return f"fd://{self.name}" if self.name else f"fd:{self.descriptor}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


def _host_and_port(text: str, rest: str) -> tuple[str, int]:
    host, separator, port = rest.rpartition(":")
    if not separator or port.endswith("]"):
        raise _wrong(text, "it has no port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        try:
            IPv6Address(host)
        except ValueError:
            raise _wrong(text, f"{host!r} is no IPv6 address") from None
    elif ":" in host:
        raise _wrong(text, "an IPv6 address stands in brackets, as in tcp://[::1]:8000")
    elif not _HOST.fullmatch(host):
        raise _wrong(text, f"{host!r} is no host name")
    number = _number(text, port, "port")
    if number > _PORT_MAX:
        raise _wrong(text, f"a port is at most {_PORT_MAX}")
    return host, number


def _path(text: str, path: str) -> str:
    if not path or "\0" in path:
        raise _wrong(text, "it has no path")
    return path


def _fd_name(text: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise _wrong(text, "it has no name, or one with a space or a colon")
    return name


def _number(text: str, digits: str, what: str) -> int:
    if not (digits.isascii() and digits.isdecimal()):
        raise _wrong(text, f"{digits!r} is no {what} number")
    return int(digits)


def _wrong(text: str, why: str) -> UsageError:
    return UsageError(f"address {text!r}: {why}; {_EXAMPLES}")
