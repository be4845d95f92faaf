"""The messages of connectrpc's conformance suite, which scripts/conformance-connect compiles."""

import sys
from pathlib import Path
from typing import Any, Final

from google.protobuf import any_pb2

ROOT: Final = Path(__file__).parent.parent.parent
MESSAGES: Final = ROOT / ".cache/connectconformance/v1.0.6"

if MESSAGES.exists():
    sys.path.insert(0, str(MESSAGES))
    from connectrpc.conformance.v1 import (  # type: ignore[import-not-found]
        client_compat_pb2 as client,
    )
    from connectrpc.conformance.v1 import config_pb2 as config
    from connectrpc.conformance.v1 import server_compat_pb2 as server
    from connectrpc.conformance.v1 import service_pb2 as messages

    SERVICE: Any = messages.DESCRIPTOR.services_by_name["ConformanceService"]

__all__ = ["MESSAGES", "ROOT", "SERVICE", "client", "config", "messages", "packed", "server"]


def packed(message: Any) -> Any:
    """The message in a ``google.protobuf.Any``."""
    found = any_pb2.Any()
    found.Pack(message)
    return found
