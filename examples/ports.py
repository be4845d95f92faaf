"""Ports of this machine, for examples that say what to open."""

from __future__ import annotations

import socket


def is_free(port: str) -> bool:
    """Whether nobody listens there, so that the welcome promises nothing that somebody else has."""
    try:
        socket.create_server(("127.0.0.1", int(port))).close()
    except OSError:
        return False
    except (ValueError, OverflowError):
        return True  # no port at all: the service says what is wrong with it
    return True
