"""A failure as Connect tells it: an object of JSON (connectrpc.com/docs/protocol, "Error End-Stream").

Its details are protobuf's messages, as everywhere; beside their bytes they come as JSON, for people
who look at the network panel of a browser.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from mainstay.rpc.status import RpcStatus
from mainstay.wire.connect import CODES

__all__ = ["error_object"]


def error_object(status: RpcStatus) -> dict[str, Any]:
    """The error, ready for JSON."""
    said: dict[str, Any] = {"code": CODES[status.code.value]}
    if status.message:
        said["message"] = status.message
    message = status.to_message()
    if message is not None:
        said["details"] = [_detail(each) for each in message.details]
    return said


def _detail(packed: Any) -> dict[str, Any]:
    """One ``google.protobuf.Any``."""
    said = {
        "type": packed.type_url.rpartition("/")[2],
        "value": b64encode(packed.value).rstrip(b"=").decode(),
    }
    debug = _as_json(packed)
    if debug is not None:
        said["debug"] = debug
    return said


def _as_json(packed: Any) -> Any:
    from google.protobuf import json_format  # noqa: PLC0415 - errors are the exception

    try:
        found = json_format.MessageToDict(packed)
    except (json_format.Error, TypeError):  # a type that nobody here knows
        return None
    found.pop("@type", None)
    return found
