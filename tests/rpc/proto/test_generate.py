import subprocess
import sys
from pathlib import Path

import pytest

from mainstay.errors import UsageError
from mainstay.rpc.proto.compiler import installed_roots
from mainstay.rpc.proto.generate import generate, outdated, write
from tests.architecture.source import ROOT
from tests.rpc.proto.world import FILES
from tests.rpc.proto.world import write as write_files

GOOGLE = installed_roots()[0]
PUBLIC = (
    "google/longrunning/operations_proto.proto",
    "google/cloud/location/locations.proto",
    "google/rpc/error_details.proto",
    "google/rpc/context/attribute_context.proto",
    "google/api/http.proto",
    "google/type/datetime.proto",
)


def test_each_file_has_its_modules_in_a_package(texts: dict[str, str]) -> None:
    """Services have a module where there are any; every folder is a package."""
    assert list(texts) == [
        "__init__.py",
        "common/__init__.py",
        "common/money_proto.py",
        "common/money_proto.pyi",
        "legacy_proto.py",
        "legacy_proto.pyi",
        "shop/__init__.py",
        "shop/v1/__init__.py",
        "shop/v1/items_proto.py",
        "shop/v1/items_proto.pyi",
        "shop/v1/orders_proto.py",
        "shop/v1/orders_proto.pyi",
        "shop/v1/orders_rpc.py",
    ]


def test_the_same_files_give_the_same_text(texts: dict[str, str]) -> None:
    """So it can be under version control."""
    assert generate([FILES]) == texts


def test_public_apis_are_generated_as_they_are(tmp_path: Path) -> None:
    """Unmodified files that googleapis-common-protos has installed; what they give is imported."""
    made = generate([GOOGLE / name for name in PUBLIC], [GOOGLE])
    write(made, tmp_path / "api")
    modules = [
        f"api.{path.removesuffix('.py').replace('/', '.')}"
        for path in made
        if path.endswith(("_proto.py", "_rpc.py"))
    ]
    assert len(modules) == len(PUBLIC) + 2
    script = "\n".join(f"import {name}" for name in modules) + (
        "\nfrom api.google.longrunning.operations_proto_rpc import Operations, OperationsClient"
        "\nassert [m.name for m in Operations.DESCRIPTOR.methods][:2] == ['ListOperations', "
        "'GetOperation']"
        "\nfrom api.google.cloud.location.locations_proto import Location"
        "\nfrom google.cloud.location import locations_pb2"
        "\nassert Location is locations_pb2.Location"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_formatters_find_nothing_to_do(texts: dict[str, str], tmp_path: Path) -> None:
    """Also where nothing keeps them away, at their own settings."""
    marks = ("# fmt: off\n", "# ruff: noqa\n\n")
    for path, text in texts.items():
        bare = text
        for mark in marks:
            assert not text or mark in text
            bare = bare.replace(mark, "")
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(bare, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    shown = subprocess.run(
        [*ruff, "format", "--isolated", "--diff", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.stdout == ""
    shown = subprocess.run(
        [*ruff, "check", "--isolated", "--select", "E,W,I,UP", "--ignore", "E501", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stdout


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    """And an ``__init__.py`` is its owner's once it is there."""
    files = write_files(tmp_path, a="message A {}")
    out = tmp_path / "out"
    assert {path.name for path in write(generate([files]), out)} == {
        "__init__.py",
        "a_proto.py",
        "a_proto.pyi",
    }
    (out / "__init__.py").write_text('"""Mine."""\n', encoding="utf-8")
    assert write(generate([files]), out) == []
    write_files(tmp_path, a="message A { int32 x = 1; }")
    texts = generate([files])
    assert outdated(texts, out) == [out / "a_proto.py", out / "a_proto.pyi"]
    assert write(texts, out) == [out / "a_proto.py", out / "a_proto.pyi"]
    assert outdated(texts, out) == []


def test_two_files_that_would_be_one_module_are_refused(tmp_path: Path) -> None:
    """With both names: nothing is overwritten in silence."""
    for name in ("a-b", "a_b"):
        (tmp_path / f"{name}.proto").write_text(
            f'syntax = "proto3"; message {name.replace("-", "")}{{}}', encoding="utf-8"
        )
    with pytest.raises(UsageError, match=r"a-b\.proto and a_b\.proto would both be .* a_b_proto"):
        generate([tmp_path])


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """With the path and the reason."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be written: "):
        write({"a.py": ""}, tmp_path / "file")
    (tmp_path / "dir" / "a.py").mkdir(parents=True)
    with pytest.raises(UsageError, match="cannot be read: "):
        outdated({"a.py": ""}, tmp_path / "dir")
    (tmp_path / "dir" / "b.py").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="it is no text"):
        outdated({"b.py": ""}, tmp_path / "dir")
