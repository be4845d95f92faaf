import pytest

from mainstay.rpc.proto.compiler import compile_files
from mainstay.rpc.proto.names import Imports
from mainstay.rpc.proto.plan import Plan, relative
from tests.rpc.proto.world import FILES

PLAN = Plan(compile_files([FILES / "shop/v1/orders.proto"], [FILES]))


def test_what_is_imported_is_written_unless_it_is_installed() -> None:
    """google/api and the well-known types are; our own are not. Imports stand first."""
    assert [file.name for file in PLAN.files] == [
        "common/money.proto",
        "shop/v1/items.proto",
        "shop/v1/orders.proto",
    ]


def test_what_is_asked_for_is_written_though_it_is_installed() -> None:
    """Whoever names a file wants it."""
    root = next(iter(compile_files([FILES]).roots))
    installed = compile_files([FILES]).files
    assert root == FILES
    assert any(file.name == "google/api/http.proto" for file in installed)
    from mainstay.rpc.proto.compiler import installed_roots  # noqa: PLC0415 - only here

    folder = installed_roots()[0]
    plan = Plan(compile_files([folder / "google/api/http.proto"], [folder]))
    assert [file.name for file in plan.files] == ["google/api/http.proto"]


@pytest.mark.parametrize(
    ("name", "said", "statement"),
    [
        (".shop.v1.Order.Line", "orders_proto.Order.Line", "from . import orders_proto"),
        (".shop.v1.None", "items_proto.None_", "from . import items_proto"),
        (".common.Money", "money_proto.Money", "from ...common import money_proto"),
        (".google.protobuf.Empty", "empty_pb2.Empty", "from google.protobuf import empty_pb2"),
    ],
)
def test_types_are_imported_from_where_they_are(name: str, said: str, statement: str) -> None:
    """Modules are, so that no name of a type can hide another."""
    imports = Imports(())
    assert PLAN.import_type(imports, "shop/v1/orders.proto", name) == said
    assert list(imports.lines())[1:] == [statement]


@pytest.mark.parametrize(
    ("of", "folders", "package"),
    [
        ("a.proto", (), "."),
        ("a.proto", ("b", "c"), ".b.c"),
        ("a/b/c.proto", ("a", "b"), "."),
        ("a/b/c.proto", ("a",), ".."),
        ("a/b/c.proto", ("a", "d"), "..d"),
        ("a/b/c.proto", (), "..."),
        ("a-b/c.proto", ("a_b",), "."),
    ],
)
def test_packages_are_named_relatively(of: str, folders: tuple[str, ...], package: str) -> None:
    """So that all of it can be put into any package."""
    assert relative(of, folders) == package
