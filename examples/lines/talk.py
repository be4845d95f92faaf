"""A client for the line protocol.

``python -m examples.lines.talk`` sends what you type, a line at a time;
``python -m examples.lines.talk hello Ada`` sends one line, prints the answer and ends with 0 if the
call succeeded.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
from typing import TextIO

from mainstay.net.address import Address

__all__ = ["ask", "connect", "converse", "main"]

DEFAULT = "tcp://127.0.0.1:8000"


def connect(address: str) -> socket.socket:
    """A connection to the service.

    Raises: OSError when nobody listens there.
    """
    where = Address.from_text(address)
    if where.kind == "unix":
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(where.path)
        return sock
    return socket.create_connection((where.host or "localhost", where.port))


def ask(sock: socket.socket, line: str, out: TextIO) -> bool:
    """Send one line and print its answer; whether the call succeeded."""
    sock.sendall(line.encode() + b"\n")
    with sock.makefile("r", encoding="utf-8") as answer:
        for text in answer:
            print(text, end="", file=out, flush=True)
            if text.startswith(("=", "!")):
                return text.startswith("=")
    print("the service has hung up", file=out)
    return False


def converse(sock: socket.socket, keyboard: TextIO, out: TextIO) -> None:
    """Send what comes from the keyboard, print what comes from the service, until either ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        selector.register(keyboard, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is sock:
                    data = sock.recv(65536)
                    if not data:
                        print("the service has hung up", file=out)
                        return
                    print(data.decode(errors="replace"), end="", file=out, flush=True)
                else:
                    line = keyboard.readline()
                    if not line:
                        return
                    sock.sendall(line.encode())


def main(words: list[str]) -> int:
    """What the command does; returns its exit code."""
    address = os.environ.get("LINES__ADDRESS", DEFAULT)  # the variable that the service reads
    try:
        sock = connect(address)
    except OSError as error:
        print(
            f"nobody answers at {address} ({error.strerror}); start `python -m examples.lines` first"
        )
        return 1
    with sock:
        if words:
            return 0 if ask(sock, " ".join(words), sys.stdout) else 1
        print(f"Connected to {address}. Type a line, such as: hello Ada   (Ctrl-D ends)")
        converse(sock, sys.stdin, sys.stdout)
        return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
