"""Facts about the marker of fields."""

import pytest

from mainstay.errors import UsageError
from mainstay.rpc.schema.marker import Field


@pytest.mark.parametrize("number", [0, -1, 1 << 29, 19000, 19999])
def test_numbers_that_protobuf_has_not_are_refused(number: int) -> None:
    """1 to 2**29 - 1, without those that protobuf keeps for itself."""
    with pytest.raises(UsageError, match="cannot number a field"):
        Field(number)


def test_it_holds_what_was_said() -> None:
    """Numbers in their order, and the type."""
    field = Field(3, 18999, type="int32")
    assert field.numbers == (3, 18999)
    assert field.type == "int32"
