"""Facts about what is said where protobuf or what comes with it is not installed."""

import pytest

from mainstay.errors import WiringError
from mainstay.rpc.extra import explained, package_of


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("google", "protobuf"),
        ("google.protobuf", "protobuf"),
        ("google.protobuf.message", "protobuf"),
        ("google.rpc", "googleapis-common-protos"),
        ("google.api.http_pb2", "googleapis-common-protos"),
        ("googles", None),
        ("grpc", None),
        (None, None),
    ],
)
def test_the_package_of_a_module_is_known(module: str | None, package: str | None) -> None:
    """One may be installed without the other, as grpcio-tools does it."""
    assert package_of(ModuleNotFoundError(name=module)) == package


def test_the_error_names_the_package_and_the_extra() -> None:
    """What another module wants is said as it is."""
    error = explained(ModuleNotFoundError(name="google.rpc"))
    assert isinstance(error, WiringError)
    assert str(error) == 'RPC needs googleapis-common-protos: pip install "mainstay[grpc]"'
    other = ModuleNotFoundError(name="other")
    assert explained(other) is other
