import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

TYPED = Path(__file__).parent / "typed.txt"
"""Not a module of its own: what it imports is there only while these tests run."""
REVEALED = [
    "Literal['card'] | Literal['cash']",
    "Order.State",
    "RepeatedCompositeFieldContainer[protopackage.shop.v1.orders_proto.Order.Line]",
    "struct_pb2.Struct",
    "str",
    "Order",
    "Order",
    "Empty",
    "Order.Line",
    "Empty",
    "int",
    "RepeatedCompositeFieldContainer[protopackage.legacy_proto.Old.Part]",
    "Colour",
    "RepeatedScalarFieldContainer[bytes]",
]


@pytest.fixture(scope="module")
def said(package: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the strictest checker says of the package and of code that uses it."""
    (package / "typed.py").write_text(TYPED.read_text("utf-8"), encoding="utf-8")
    (package / "mypy.ini").write_text("[mypy]\n", encoding="utf-8")
    cache = ROOT / ".mypy_cache" / "generated"
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    command += ["--warn-unreachable"]
    command += ["--no-error-summary", "--cache-dir", str(cache), "--config-file", "mypy.ini"]
    done = subprocess.run(
        [*command, "-p", "protopackage", "-m", "typed"],
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        env={"MYPYPATH": f"{package}:{ROOT / 'src'}", "HOME": str(package)},
    )
    assert done.stderr == ""
    return done.stdout


def lines(said: str, kind: str) -> list[tuple[int, str]]:
    found = re.findall(rf"^.*typed\.py:(\d+): {kind}: (.*)$", said, re.MULTILINE)
    return [(int(number), text) for number, text in found]


def test_the_generated_package_is_strictly_typed(said: str) -> None:
    """Nothing in it is wrong to the checker, whatever its names are."""
    assert [line for line in said.splitlines() if "typed.py" not in line] == []


def test_the_types_are_those_of_the_fields(said: str) -> None:
    """Each is what a reader of the .proto expects."""
    revealed = [
        text.removeprefix('Revealed type is "').removesuffix('"')
        for _, text in lines(said, "note")
        if text.startswith("Revealed")
    ]
    assert len(revealed) == len(REVEALED)
    for found, wanted in zip(revealed, REVEALED, strict=True):
        assert found.endswith(wanted), found


def test_mistakes_are_found(said: str) -> None:
    """At the line where each is made, and nowhere else."""
    text = TYPED.read_text("utf-8").splitlines()
    wanted = {
        number: line.partition("# E: ")[2] for number, line in enumerate(text, 1) if "# E: " in line
    }
    errors = dict(reversed(lines(said, "error")))
    assert errors.keys() == wanted.keys()
    for number, start in wanted.items():
        assert errors[number].startswith(start)


def test_comments_are_where_editors_look_for_them(texts: dict[str, str]) -> None:
    """Of messages, fields, enumerations and values."""
    stub = texts["shop/v1/orders_proto.pyi"]
    assert 'class Order(Message):\n    """Something that was ordered."""\n' in stub
    assert '    card: str\n    """By card."""\n' in stub
    assert "            STATE_UNKNOWN: ClassVar[Order.State]" not in stub
    assert '        STATE_UNKNOWN: ClassVar[Order.State]\n        """Nobody has said."""\n' in stub


def test_what_python_cannot_name_is_said(texts: dict[str, str]) -> None:
    """With how to get at it."""
    stub = texts["shop/v1/items_proto.pyi"]
    assert '# Not a name in Python: getattr(message, "from") is of type _str.' in stub
    assert '# Kind.Value("None"), which is no attribute' in stub
