import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from mainstay.errors import UsageError
from mainstay.rpc.proto import compiler
from mainstay.rpc.proto.compiler import compile_files, installed_roots
from tests.rpc.proto.world import FILES, NAMES, write


def test_a_folder_is_compiled_with_all_that_it_imports() -> None:
    """Names are paths below the folder; what is imported stands first, comments are kept."""
    made = compile_files([FILES])
    assert made.names == NAMES
    assert made.roots == (FILES,)
    order = [file.name for file in made.files]
    assert set(NAMES) < set(order)
    assert order.index("common/money.proto") < order.index("shop/v1/orders.proto")
    assert order.index("google/api/http.proto") < order.index("google/api/annotations.proto")
    orders = made.files[order.index("shop/v1/orders.proto")]
    assert any("A shop" in each.leading_comments for each in orders.source_code_info.location)


def test_a_file_has_its_name_below_the_folder_to_include() -> None:
    """Which stands before the file's own folder, and finds what the file imports."""
    made = compile_files([FILES / "shop" / "v1" / "orders.proto"], include=[FILES])
    assert made.names == ("shop/v1/orders.proto",)
    assert "common/money.proto" in [file.name for file in made.files]


def test_a_file_alone_is_named_for_itself(tmp_path: Path) -> None:
    """Its folder is where its imports start."""
    write(tmp_path, a='import "b.proto";\nmessage A { B b = 1; }', b="message B {}")
    assert compile_files([str(tmp_path / "a.proto")]).names == ("a.proto",)


def test_every_fault_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As file:line:column, in files that can be opened from here; warnings are left out."""
    write(
        tmp_path,
        bad='import "google/protobuf/empty.proto";\nmessage A { Foo x = 1; Bar y = 2; }\n',
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        compile_files(["bad.proto"])
    lines = caught.value.message.splitlines()
    assert 'bad.proto:3:13: "Foo" is not defined.' in lines
    assert 'bad.proto:3:24: "Bar" is not defined.' in lines
    assert "warning" not in caught.value.message


def test_only_the_compiler_is_heard(tmp_path: Path) -> None:
    """A file that does not say its syntax makes its library write a log, which tells nobody."""
    (tmp_path / "bad.proto").write_text("mesage A {}", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        compile_files([tmp_path])
    (line,) = caught.value.message.splitlines()
    assert line.startswith(f"{tmp_path}/bad.proto:1:1: ")


def test_a_fault_of_another_folder_has_its_whole_path(tmp_path: Path) -> None:
    """The name below a root means nothing to whoever stands elsewhere."""
    folder = write(tmp_path, bad="mesage A {}")
    with pytest.raises(UsageError) as caught:
        compile_files([folder])
    assert caught.value.message.startswith(f"{folder}/bad.proto:2:1: ")


def test_a_missing_import_says_where_imports_start(tmp_path: Path) -> None:
    """With the line that imports it."""
    write(tmp_path, a='import "gone.proto";')
    with pytest.raises(UsageError) as caught:
        compile_files([tmp_path / "a.proto"])
    assert "gone.proto: File not found." in caught.value.message
    assert f"{tmp_path}/a.proto:2:1: " in caught.value.message
    assert "the folders to include" in caught.value.message


@pytest.mark.parametrize(
    ("paths", "include", "message"),
    [
        ([], [], "no .proto file is named"),
        (["gone.proto"], [], "there is no file 'gone.proto'"),
        (["."], [], r"there is no .proto file in '\.'"),
        (["gone.proto"], ["gone"], "'gone' is no folder"),
    ],
)
def test_what_is_not_there_is_said(
    paths: list[str],
    include: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before the compiler is asked, in words of the caller."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        compile_files(paths, include)


def test_without_the_compiler_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has not installed it is told what to install."""

    def find_nothing(name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(compiler, "find_spec", find_nothing)
    with pytest.raises(UsageError, match=r"pip install 'mainstay\[proto\]'"):
        compile_files([FILES])


def test_a_compiler_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time, with a message and no traceback of subprocess."""
    monkeypatch.setattr(compiler, "TIMEOUT", 0.0001)
    with pytest.raises(UsageError, match=r"took more than 0\.0001 s"):
        compile_files([FILES])


def test_a_folder_of_the_working_directory_is_not_the_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project may have a folder grpc_tools, or google, beside its .proto files."""
    for name in ("grpc_tools", "google"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError\n", encoding="utf-8")
    write(tmp_path, a="message A {}")
    monkeypatch.chdir(tmp_path)
    assert compile_files(["a.proto"]).names == ("a.proto",)


def test_common_files_are_found_where_they_are_installed() -> None:
    """On the path that modules are imported from."""
    roots = installed_roots()
    assert roots
    assert all(
        str(root) in sys.path and (root / "google/rpc/status.proto").is_file() for root in roots
    )
