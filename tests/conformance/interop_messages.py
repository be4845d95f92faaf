"""The messages of ``grpc.testing``, from descriptors that a program built from grpc-go prints."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

__all__ = ["BUILT", "DESCRIPTORS", "message", "pool"]

BUILT: Final = Path(__file__).parent.parent.parent / ".cache/go/bin"
DESCRIPTORS: Final = BUILT / "interop-descriptors"
"""What scripts/conformance-grpc has built."""


@cache
def pool() -> DescriptorPool:
    """All files of the service."""
    found = DescriptorPool()
    printed = subprocess.run([DESCRIPTORS], check=True, capture_output=True, timeout=120).stdout
    for file in FileDescriptorSet.FromString(printed).file:
        found.AddSerializedFile(file.SerializeToString())
    return found


@cache
def message(name: str) -> Any:
    """The class of one message."""
    return GetMessageClass(pool().FindMessageTypeByName(f"grpc.testing.{name}"))
