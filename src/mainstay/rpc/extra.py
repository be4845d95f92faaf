"""What RPC needs beside mainstay, the extra ``grpc``, and what is said where it is not installed."""

from __future__ import annotations

from mainstay.errors import WiringError

__all__ = ["explained", "package_of"]


def package_of(error: ModuleNotFoundError) -> str | None:
    """Which package of the extra has the module that is missing; None when none of them does."""
    name = f"{error.name or ''}."
    if not name.startswith("google."):
        return None
    if name == "google." or name.startswith("google.protobuf."):
        return "protobuf"
    return "googleapis-common-protos"


def explained(error: ModuleNotFoundError) -> Exception:
    """The WiringError that says what to install; the same error for a module of something else."""
    package = package_of(error)
    if package is None:
        return error
    return WiringError(f'RPC needs {package}: pip install "mainstay[grpc]"')
