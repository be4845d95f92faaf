"""Facts about ``mainstay proto``: what it writes, where, and how it ends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.world import Done, mainstay, write

GREETER = """
syntax = "proto3";
package hello.v1;

// Greets.
service Greeter {
  rpc SayHello(Hello) returns (Hello);
}

message Hello {
  string name = 1;
}
"""

SHOP = """
    from msgspec import Struct
    from mainstay import Service
    from mainstay.rpc import Rpc

    class Order(Struct):
        number: str

    orders = Rpc("shop.v1.Orders", doc="Takes orders.")

    @orders.method
    async def get(request: Order) -> Order:
        '''Get one.'''
        return request

    service = Service("shop")
    service.add_rpc(orders)
"""

PROTO = """syntax = "proto3";

package shop.v1;

// Takes orders.
service Orders {
  // Get one.
  rpc Get(Order) returns (Order);
}

message Order {
  string number = 1;
}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "protos" / "hello" / "v1").mkdir(parents=True)
    (tmp_path / "protos/hello/v1/greeter.proto").write_text(GREETER, encoding="utf-8")
    write(tmp_path, shop=SHOP)
    return tmp_path


def generate(project: Path, *more: str) -> Done:
    return mainstay("proto", "generate", "protos", "--out", "api", *more, cwd=project)


def test_what_is_written_is_listed(project: Path) -> None:
    """Each file once; nothing when all of it is there already."""
    done = generate(project)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "api/__init__.py",
        "api/hello/__init__.py",
        "api/hello/v1/__init__.py",
        "api/hello/v1/greeter_proto.py",
        "api/hello/v1/greeter_proto.pyi",
        "api/hello/v1/greeter_rpc.py",
    ]
    assert generate(project) == Done(0, "", "")


def test_ci_finds_out_that_it_is_out_of_date(project: Path) -> None:
    """Nothing is written, the files are named, and so is the command that mends it."""
    done = generate(project, "--check")
    assert (done.code, done.out) == (1, "")
    assert "out of date; write again with mainstay proto generate -o api:" in done.err
    assert "  api/hello/v1/greeter_rpc.py" in done.err
    assert not (project / "api").exists()
    generate(project)
    assert generate(project, "--check") == Done(0, "", "")
    path = project / "api/hello/v1/greeter_rpc.py"
    path.write_text(path.read_text("utf-8") + "# changed\n", encoding="utf-8")
    done = generate(project, "--check")
    assert done.err.splitlines()[1:] == ["  api/hello/v1/greeter_rpc.py"]


def test_a_file_alone_takes_its_name_from_the_folder_to_include(project: Path) -> None:
    """As its importers name it."""
    source = "protos/hello/v1/greeter.proto"
    done = mainstay("proto", "generate", source, "-I", "protos", "-o", "api", cwd=project)
    assert "api/hello/v1/greeter_proto.py" in done.out
    done = mainstay("proto", "generate", source, "-o", "flat", cwd=project)
    assert "flat/greeter_proto.py" in done.out


def test_faults_are_shown_with_their_places(project: Path) -> None:
    """And end the command as wrong usage does, without a traceback."""
    (project / "protos" / "bad.proto").write_text("mesage A {}", encoding="utf-8")
    done = generate(project)
    assert (done.code, done.out) == (2, "")
    assert "Error: protos/bad.proto:1:1: Expected top-level statement" in done.err
    assert "Traceback" not in done.err


def test_a_service_in_code_is_exported(project: Path) -> None:
    """To stdout, or to a folder; there, CI can compare it."""
    assert mainstay("proto", "export", "shop", cwd=project) == Done(0, PROTO, "")
    done = mainstay("proto", "export", "shop", "-o", "out", cwd=project)
    assert done == Done(0, "out/shop/v1/orders.proto\n", "")
    assert (project / "out/shop/v1/orders.proto").read_text("utf-8") == PROTO
    assert mainstay("proto", "export", "shop", "-o", "out", "--check", cwd=project).code == 0
    (project / "out/shop/v1/orders.proto").write_text("", encoding="utf-8")
    done = mainstay("proto", "export", "shop", "-o", "out", "--check", cwd=project)
    assert done.code == 1
    assert "write again with mainstay proto export shop -o out" in done.err


def test_several_files_are_told_apart(project: Path) -> None:
    """Each begins with its name, when they go to one place."""
    more = SHOP.replace("shop.v1.Orders", "shop.v2.Orders").partition("service =")[0]
    write(project, two=more + "\n    from shop import service\n    service.add_rpc(orders)\n")
    done = mainstay("proto", "export", "two:service", cwd=project)
    assert re.findall(r"^// --- (.*)$", done.out, re.MULTILINE) == [
        "shop/v1/orders.proto",
        "shop/v2/orders.proto",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["export", "shop", "--check"], 2, "--check needs the folder"),
        (["export", "good"], 2, "good has no service of RPC"),
        (["export", "gone"], 4, "there is no module 'gone'"),
        (["generate", "gone.proto", "-o", "api"], 2, "there is no file 'gone.proto'"),
        (["generate", "protos"], 2, "Missing option"),
    ],
)
def test_what_cannot_be_done_is_said(
    project: Path, arguments: list[str], code: int, message: str
) -> None:
    """On stderr, with the code of its kind."""
    write(project, good="from mainstay import Service\nservice = Service('good')\n")
    done = mainstay("proto", *arguments, cwd=project)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
