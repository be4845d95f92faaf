"""Clients of gRPC that others wrote, against the server: the interop cases, and streams that last.

The cases are those of grpc/grpc, doc/interop-test-descriptions.md; grpc-go's client asserts.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import trustme

from tests.conformance.interop_messages import BUILT, DESCRIPTORS, message
from tests.conformance.interop_program import serving_interop

pytestmark = pytest.mark.skipif(
    not DESCRIPTORS.exists(), reason="scripts/conformance-grpc builds the messages, with Go"
)

CLIENT: Final = BUILT / "interop-client"

CASES: Final = (
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
    "pick_first_unary",
    "rpc_soak",
    "channel_soak",
)

SERVICE: Final = "/grpc.testing.TestService/"


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with serving_interop() as address:
        yield address


@pytest.fixture(scope="module")
def channel(address: tuple[str, int]) -> Iterator[grpc.Channel]:
    host, port = address
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(f"{host}:{port}", options) as channel:
        yield channel


@pytest.mark.parametrize("case", CASES)
def test_the_client_of_grpc_go_is_satisfied(address: tuple[str, int], case: str) -> None:
    """It ends the process with an error when an answer is not the one that it wants."""
    host, port = address
    command = [str(CLIENT), f"--server_host={host}", f"--server_port={port}", f"--test_case={case}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr


def test_the_client_of_grpc_go_is_satisfied_over_tls(tmp_path: Path) -> None:
    """It finds HTTP/2 by ALPN, and the certificate good."""
    authority = trustme.CA()
    proof = authority.issue_cert("localhost")
    root, certificate = tmp_path / "root.pem", tmp_path / "certificate.pem"
    authority.cert_pem.write_to_path(root)
    proof.private_key_and_cert_chain_pem.write_to_path(certificate)
    with serving_interop(INTEROP_CERTIFICATE=str(certificate)) as (host, port):
        command = [
            str(CLIENT),
            *(f"--server_host={host}", f"--server_port={port}", "--test_case=ping_pong"),
            *("--use_tls", "--use_test_ca", f"--ca_file={root}"),
            "--server_host_override=localhost",
        ]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr


def unary(channel: grpc.Channel, request: Any, **options: Any) -> Any:
    method: Any = channel.unary_unary(
        f"{SERVICE}UnaryCall",
        lambda request: request.SerializeToString(),
        message("SimpleResponse").FromString,
    )
    return method(request, timeout=120, **options)


def streaming(channel: grpc.Channel) -> Any:
    return channel.unary_stream(
        f"{SERVICE}StreamingOutputCall",
        lambda request: request.SerializeToString(),
        message("StreamingOutputCallResponse").FromString,
    )


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_grpcio_sends_and_gets_compressed_messages(
    channel: grpc.Channel, compression: grpc.Compression
) -> None:
    """A large request by every algorithm that it has; the reply as it was asked for."""
    request = message("SimpleRequest")(
        response_size=314_159,
        payload={"body": bytes(271_828)},
        response_compressed={"value": True},
    )
    reply = unary(channel, request, compression=compression)
    assert len(reply.payload.body) == 314_159


def test_messages_of_one_stream_are_compressed_one_by_one(
    address: tuple[str, int], tmp_path: Path
) -> None:
    """The flag of each envelope says it (server_compressed_streaming)."""
    sizes = ((True, 31_415), (False, 92_653))
    request = message("StreamingOutputCallRequest")(
        response_parameters=[
            {"size": size, "compressed": {"value": compressed}} for compressed, size in sizes
        ]
    ).SerializeToString()
    body = tmp_path / "request"
    body.write_bytes(b"\x00" + len(request).to_bytes(4, "big") + request)
    host, port = address
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--max-time", "60"),
            *("--http2-prior-knowledge", "--data-binary", f"@{body}"),
            *("-H", "content-type: application/grpc", "-H", "te: trailers"),
            *("-H", "grpc-accept-encoding: gzip"),
            f"http://{host}:{port}{SERVICE}StreamingOutputCall",
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    left = done.stdout
    flags = []
    while left:
        flags.append(left[0])
        left = left[5 + int.from_bytes(left[1:5], "big") :]
    assert flags == [1, 0]


def test_two_hundred_megabytes_of_a_stream_trip_no_guard(channel: grpc.Channel) -> None:
    """The PINGs and WINDOW_UPDATEs by which grpcio measures the way are no flood."""
    size, count = 100_000, 2_000
    request = message("StreamingOutputCallRequest")(
        response_parameters=[{"size": size} for _ in range(count)]
    )
    total = sum(len(reply.payload.body) for reply in streaming(channel)(request, timeout=600))
    assert total == size * count


def test_many_small_messages_trip_no_guard(channel: grpc.Channel) -> None:
    """Nor do windows that are given back in small parts, while requests go the other way."""
    duplex: Any = channel.stream_stream(
        f"{SERVICE}FullDuplexCall",
        lambda request: request.SerializeToString(),
        message("StreamingOutputCallResponse").FromString,
    )
    request = message("StreamingOutputCallRequest")(response_parameters=[{"size": 10}])
    found = sum(1 for _ in duplex(iter([request] * 20_000), timeout=600))
    assert found == 20_000
