from mainstay.rpc.proto.comments import comments_of
from mainstay.rpc.proto.compiler import compile_files
from tests.rpc.proto.world import FILES

SAID = {
    name: text
    for file in compile_files([FILES]).files
    if file.name in ("shop/v1/orders.proto", "common/money.proto")
    for name, text in comments_of(file).items()
}


def test_comments_are_found_by_full_name() -> None:
    """Of services, methods, messages, fields, oneofs, enumerations and values, nested ones too."""
    assert SAID["shop.v1.Orders.GetOrder"] == "Read one order.\n\nIt is found by its number."
    assert SAID["shop.v1.Order"] == "Something that was ordered."
    assert SAID["shop.v1.Order.Line"] == "One line of it."
    assert SAID["shop.v1.Order.payment"] == "How it is paid."
    assert SAID["shop.v1.Order.card"] == "By card."
    assert SAID["shop.v1.Order.State.STATE_UNKNOWN"] == "Nobody has said."
    assert SAID["common.Rounding.ROUNDING_HALF_EVEN"].startswith("To the nearest")


def test_a_comment_behind_counts_where_there_is_none_above() -> None:
    """As in ``string currency = 1;  // ISO 4217``."""
    assert SAID["common.Money.currency"] == 'ISO 4217, such as "EUR".'


def test_what_has_no_comment_is_left_out() -> None:
    """There is no empty text in it."""
    assert "common.Money.units" not in SAID
    assert all(SAID.values())
