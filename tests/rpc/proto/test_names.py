import pytest

from mainstay.rpc.proto.compiler import compile_files
from mainstay.rpc.proto.names import (
    Imports,
    declared,
    is_nameable,
    module_of,
    python_name,
    snake_case,
)
from tests.rpc.proto.world import FILES


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("hello/v1/greeter.proto", ("hello", "v1", "greeter_x")),
        ("a.proto", ("a_x",)),
        ("my-api/import/1st.proto", ("my_api", "import_", "_1st_x")),
    ],
)
def test_a_file_has_a_module_that_can_be_imported(file: str, module: tuple[str, ...]) -> None:
    """Whatever its folders are called."""
    assert module_of(file, "_x") == module


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("SayHello", "say_hello"),
        ("GetHTTPRule", "get_http_rule"),
        ("V1Get", "v1_get"),
        ("already_snake", "already_snake"),
        ("Import", "import_"),
    ],
)
def test_methods_are_named_as_python_does(name: str, snake: str) -> None:
    """Keywords get an underscore."""
    assert snake_case(name) == snake


def test_keywords_are_bound_under_another_name() -> None:
    """At the top of a module; after a dot they cannot be written at all."""
    assert python_name("None") == "None_"
    assert python_name("Order") == "Order"
    assert not is_nameable("from")
    assert not is_nameable("__odd")
    assert is_nameable("from_")


def test_what_a_file_declares_is_known() -> None:
    """Types, fields, values and extensions, at any depth."""
    file = next(file for file in compile_files([FILES]).files if file.name == "legacy.proto")
    assert {"Old", "Part", "name", "inner", "RED", "outer"} <= declared(file)


def test_an_import_gives_way_to_the_names_of_the_module() -> None:
    """It is imported under a name with underscores, once."""
    imports = Imports({"Any", "_Any", "str"})
    assert imports.use("typing", "Any") == "__Any"
    assert imports.use("typing", "Any") == "__Any"
    assert imports.use("typing", "Self") == "Self"
    assert imports.builtin("str") == "_str"
    assert imports.builtin("int") == "int"
    assert list(imports.lines()) == [
        "",
        "from builtins import str as _str",
        "from typing import Any as __Any",
        "from typing import Self",
    ]


def test_two_imports_of_one_name_are_kept_apart() -> None:
    """As of two modules that are called alike."""
    imports = Imports(())
    assert imports.use("..a", "common_proto") == "common_proto"
    assert imports.use("..b", "common_proto") == "_common_proto"


def test_imports_stand_in_order() -> None:
    """The standard library, packages, then ours: those further up first."""
    imports = Imports(())
    for module, name in (
        (".", "x_proto"),
        ("google.api", "http_pb2"),
        ("...common", "y_proto"),
        ("typing", "Any"),
        ("google.protobuf.internal.containers", "RepeatedScalarFieldContainer"),
        ("google.protobuf.internal.containers", "RepeatedCompositeFieldContainer"),
    ):
        imports.use(module, name)
    assert "\n".join(imports.lines()) == (
        "\nfrom typing import Any\n"
        "\nfrom google.api import http_pb2  # type: ignore[import-untyped, unused-ignore]\n"
        "from google.protobuf.internal.containers import (\n"
        "    RepeatedCompositeFieldContainer,\n    RepeatedScalarFieldContainer,\n)\n"
        "\nfrom ...common import y_proto\nfrom . import x_proto"
    )
