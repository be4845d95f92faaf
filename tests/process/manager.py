"""A service manager for tests: hears what is said to it, with the descriptors."""

from __future__ import annotations

import array
import os
import select
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE = 60.0
"""Seconds for what takes a moment, on a machine that is busy."""


class FakeManager:
    """Listens at a path, or at a name of the abstract namespace.

    Attributes:
        address: for NOTIFY_SOCKET.
    """

    def __init__(self, folder: Path, *, abstract: bool = False) -> None:
        self.address = (
            f"@mainstay-test-{os.getpid()}-{id(self)}" if abstract else f"{folder}/notify"
        )
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{self.address[1:]}" if abstract else self.address)
        self._socket.setblocking(False)

    def receive(self, timeout: float = PATIENCE) -> tuple[dict[str, str], list[int]]:
        """The next datagram, and its descriptors. Raises: TimeoutError."""
        if not select.select([self._socket], [], [], timeout)[0]:
            raise TimeoutError("the manager was told nothing")
        data, ancillary, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(64))
        numbers = array.array("i")
        for _, _, each in ancillary:
            numbers.frombytes(each)
        return dict(line.split("=", 1) for line in data.decode().split("\n")), list(numbers)

    def next(self, timeout: float = PATIENCE) -> dict[str, str]:
        """The next datagram, without descriptors."""
        said, descriptors = self.receive(timeout)
        assert descriptors == []
        return said

    def wait_for(self, name: str, timeout: float = PATIENCE) -> dict[str, str]:
        """The next datagram that sets `name`; those before are dropped."""
        while name not in (said := self.next(timeout)):
            pass
        return said

    def is_silent(self) -> bool:
        """Whether nothing waits to be heard."""
        return not select.select([self._socket], [], [], 0)[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()
