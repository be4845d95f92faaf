"""What makes calls JSON."""

from mainstay.rpc.in_json import InJson
from mainstay.rpc.settings import RpcSettings
from mainstay.rpc.speakers import get_speakers, speakers


def test_every_protocol_has_a_class_for_json() -> None:
    """Content types that say so, and no others, have it."""
    found = {**speakers(RpcSettings()), **get_speakers(RpcSettings())}
    assert {name for name, each in found.items() if issubclass(each, InJson)} == {
        name for name in found if name.endswith(b"json")
    }
