"""What a servicer's context knows of its call, in grpcio's terms, and what it has been told.

Both contexts are made of it, that of coroutines and that of threads. The rules, which are those of
grpcio, and are proved by running the same servicers on its server (``tests/rpc/grpcio``):

1. The status is decided when the method has ended: by `abort`, else by an exception, else by
   `set_code`. A reply that goes with another code than OK is discarded.
2. An exception after `set_code` has that code, and else UNKNOWN. Its text is not sent (grpcio sends
   it); what `set_details` said is.
3. After `abort` nothing else counts, even where the exception that it raises is swallowed.
4. Trailing metadata is sent with every status; the last `set_trailing_metadata` counts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from mainstay.errors import Code, Error, InvalidRequest, RpcError
from mainstay.rpc.call import RpcCall
from mainstay.rpc.compression import COMPRESSORS
from mainstay.rpc.framed import FramedCall
from mainstay.wire.grpc import decode_binary

__all__ = ["KnownCall", "Metadatum", "code_of", "metadata_of"]

_log = logging.getLogger("mainstay.rpc")


class Metadatum(NamedTuple):
    """One pair of metadata; ``-bin`` keys have bytes."""

    key: str
    value: str | bytes


_DETAILS: Final = "grpc-status-details-bin"
_OF_TRANSPORT: Final = frozenset(
    {
        b"te",
        b"content-type",
        b"content-length",
        b"host",
        b"connection",
        b"grpc-timeout",
        b"grpc-encoding",
        b"grpc-accept-encoding",
    }
)
"""Fields that grpcio does not show as metadata."""

_COMPRESSIONS: Final = {0: None, 1: "deflate", 2: "gzip"}
"""By the values of `grpc.Compression`."""

_INSECURE: Final = {
    "transport_security_type": [b"insecure"],
    "security_level": [b"TSI_SECURITY_NONE"],
}
_SECURE: Final = {
    "transport_security_type": [b"ssl"],
    "security_level": [b"TSI_PRIVACY_AND_INTEGRITY"],
}
_IDENTITY: Final = "x509_subject_alternative_name"


class KnownCall:
    """See the top of the module.

    Attributes:
        head_sent: whether initial metadata is no longer possible.
    """

    # Set on the instance when they are needed: most calls need none of them.
    head_sent = False
    _aborted = False
    _over = False
    _code: Any = None
    _details = ""
    _trailing: tuple[Any, ...] = ()

    def __init__(self, call: RpcCall) -> None:
        self._call = call

    # --- what is known --------------------------------------------------------------------------

    def invocation_metadata(self) -> tuple[Metadatum, ...]:
        """Pairs that came with the call. Raises: InvalidRequest for a ``-bin`` that is no base64."""
        return metadata_of(self._call)

    def peer(self) -> str:
        """Where the caller is, such as ``ipv4:10.0.0.7:51234``."""
        address = self._call.exchange.peer.address
        host, _, port = address.rpartition(":")
        if not port.isdecimal():
            return f"{address}:"
        if host.startswith("["):
            return f"ipv6:%5B{host[1:-1]}%5D:{port}"
        return f"ipv4:{address}"

    def peer_identities(self) -> Sequence[bytes] | None:
        """The name in the caller's certificate; None when it has shown none."""
        identity = self._call.exchange.peer.identity
        return None if identity is None else [identity.encode()]

    def peer_identity_key(self) -> str | None:
        """Where `auth_context` has the identity."""
        return None if self._call.exchange.peer.identity is None else _IDENTITY

    def auth_context(self) -> Mapping[str, Sequence[bytes]]:
        """How the caller is known."""
        exchange = self._call.exchange
        known = dict(_INSECURE if exchange.scheme == "http" else _SECURE)
        if exchange.peer.identity is not None:
            known[_IDENTITY] = [exchange.peer.identity.encode()]
        return known

    # --- what is said ---------------------------------------------------------------------------

    def set_code(self, code: Any) -> None:
        """See `grpc.ServicerContext`."""
        if not self._aborted:
            self._code = code

    def set_details(self, details: str) -> None:
        """See `grpc.ServicerContext`."""
        if not self._aborted:
            self._details = details

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        """See `grpc.ServicerContext`. Raises: TypeError for what is no metadata."""
        pairs = _pairs(trailing_metadata)
        if not self._aborted:
            self._trailing = pairs

    def trailing_metadata(self) -> Any:
        """What was set."""
        return self._trailing

    def set_compression(self, compression: Any) -> None:
        """Compress what is sent, if the caller takes it. Raises: RuntimeError after the head."""
        if self.head_sent:
            raise RuntimeError("compression has to be set before initial metadata is sent")
        name = _COMPRESSIONS[int(compression)]
        call = self._call
        if isinstance(call, FramedCall):
            accepted = call.head.get(b"grpc-accept-encoding", b"")
            if name is None or (name in COMPRESSORS and name.encode() in accepted):
                call.set_compression(name)

    def disable_next_message_compression(self) -> None:
        """Send the next message as it is."""
        if isinstance(self._call, FramedCall):
            self._call.compress_next = False

    # --- how it ends ----------------------------------------------------------------------------

    def give_up(self, code: Any, details: str, trailing: Any) -> NoReturn:
        """What `abort` does."""
        import grpc.aio  # noqa: PLC0415 - see the package

        if self._aborted:
            raise grpc.aio.UsageError("Abort already called!")
        self._aborted = True
        if code_of(code) is None:
            _log.error("%s aborted with OK, which is sent as UNKNOWN", self._call.method)
            code, details = grpc.StatusCode.UNKNOWN, ""
        self._code = code
        self._details = details or self._details
        if trailing:
            self._trailing = _pairs(trailing)
        raise grpc.aio.AbortError("Locally aborted.")

    def end(self) -> None:
        """The method has ended; its trailing metadata is the call's."""
        self._over = True
        if self._trailing:
            self._call.trailing_metadata.extend(
                (key, value) for key, value in self._trailing if key != _DETAILS
            )

    def settle(self) -> None:
        """The method has returned. Raises: RpcError when that is no success."""
        self.end()
        if self._code is not None:
            code = code_of(self._code)
            if code is not None:
                raise RpcError(code, self._details, details=self._rich())

    def failure(self, error: Exception) -> Exception:
        """The method has raised `error`: what is to be raised for it."""
        self.end()
        code = None if self._code is None else code_of(self._code)
        if self._aborted:
            assert code is not None
            return RpcError(code, self._details, details=self._rich())
        if isinstance(error, Error) or (code is None and not self._details):
            return error
        code = code or Code.UNKNOWN
        if not isinstance(error, NotImplementedError):  # which generated code raises
            said = self._call.method, code.name, error
            _log.error("%s failed with %s: %r", *said, exc_info=error)
        return RpcError(code, self._details, details=self._rich())

    def _rich(self) -> Sequence[Any]:
        """The details of ``google.rpc.Status``, where `grpc_status.rpc_status` has put them."""
        for key, value in self._trailing:
            if key == _DETAILS:
                from google.rpc.status_pb2 import Status  # noqa: PLC0415 - errors are rare

                return list(Status.FromString(value).details)
        return ()


def code_of(code: Any) -> Code | None:
    """Ours for a code of grpcio, or its number; None for OK, UNKNOWN for what is no code."""
    try:
        number = code if isinstance(code, int) else code.value[0]
        return None if number == 0 else Code(number)
    except (AttributeError, TypeError, ValueError, IndexError):
        return Code.UNKNOWN


def metadata_of(call: RpcCall) -> tuple[Metadatum, ...]:
    """The pairs that came with a call, as grpcio shows them.

    Raises: InvalidRequest for a ``-bin`` value that is no base64.
    """
    found = []
    for name, value in call.exchange.fields:
        if name in _OF_TRANSPORT:
            continue
        key = name.decode("latin-1")
        if not key.endswith("-bin"):
            found.append(Metadatum(key, value.decode("latin-1")))
            continue
        for each in value.split(b","):
            try:
                found.append(Metadatum(key, decode_binary(each.strip())))
            except ValueError:
                raise InvalidRequest(f"metadata {key!r} is no base64") from None
    return tuple(found)


def _pairs(metadata: Any) -> tuple[Any, ...]:
    """Raises: TypeError for what is no sequence of pairs."""
    try:
        pairs = tuple((key, value) for key, value in metadata)
    except (TypeError, ValueError):
        pairs = (("", None),)
    for key, value in pairs:
        if not isinstance(key, str) or not isinstance(value, str | bytes):
            raise TypeError(
                "metadata is a sequence of pairs: a name, and a str, or bytes where it ends with "
                "-bin"
            )
    return pairs
