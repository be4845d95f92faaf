"""Facts about the shapes of messages."""

from mainstay.rpc.schema.models import Member
from mainstay.rpc.schema.shapes import FieldShape


def test_a_field_has_the_name_of_its_member() -> None:
    """On the wire as in Python; the key of the constructor may be another."""
    assert FieldShape(Member("size", "theSize", int), 3).name == "size"
