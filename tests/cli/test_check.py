"""Facts about ``mainstay check``: it opens nothing, and finds what would fail at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.world import Done, mainstay, write

PARTS = """\
from collections.abc import AsyncIterator, Iterator

from mainstay import Call, Scope, Service

class Db: ...
class Other: ...

service = Service("shop")
"""

FULL = """
from pathlib import Path

@service.resource
async def database() -> AsyncIterator[Db]:
    Path("opened").touch()
    yield Db()

@service.handler("order")
async def order(request: str, db: Db) -> str: ...

@service.worker
async def ship(db: Db) -> None:
    Path("opened").touch()

@service.every(60)
async def sweep() -> None: ...

@service.on_start
async def started() -> None:
    Path("opened").touch()

class Door:
    def __repr__(self) -> str:
        return "<Door>"

service.add_server(Door())
"""

# What is declared -> what the message says, with the line at fault in it.
AT_WIRING = {
    "a handler asks for what nobody provides": (
        "@service.handler('x')\nasync def f(r: str, db: Db): ...",
        "f ({file}:9): a handler takes one request, and these are left over: r: str, db: Db;",
    ),
    "a worker asks for what nobody provides": (
        "@service.worker\nasync def f(db: Db): ...",
        "f ({file}:9): nothing provides Db for parameter 'db'",
    ),
    "a parameter has no type": (
        "@service.worker\nasync def f(db): ...",
        "f ({file}:9): parameter 'db' has no type",
    ),
    "a resource asks for what nobody provides": (
        "@service.resource\nasync def f(o: Other) -> Db: ...",
        "f ({file}:9): nothing provides Other for parameter 'o'",
    ),
    "a probe asks for what nobody provides": (
        "@service.probe('ready')\nasync def f(db: Db): ...",
        "f ({file}:9): nothing provides Db for parameter 'db'",
    ),
    "a type is provided twice": (
        "@service.resource\nasync def f() -> Db: ...\n@service.resource\nasync def g() -> Db: ...",
        "Db is provided twice, by f ({file}:9) and by g ({file}:11)",
    ),
    "a long-lived resource asks for a short-lived one": (
        (
            "@service.resource(lifetime='call')\nasync def f() -> Db: ...\n"
            "@service.resource\nasync def g(db: Db) -> Other: ..."
        ),
        "g ({file}:11) lives as long as the service and asks for Db",
    ),
    "a hook asks for a call": (
        "@service.on_start\nasync def f(call: Call): ...",
        "f ({file}:9) runs outside of any call",
    ),
    "a worker yields": (
        "@service.worker\nasync def f():\n    yield 1",
        "f ({file}:9) yields, and nobody takes",
    ),
    "a handler yields in a thread": (
        "@service.handler('x')\ndef f() -> Iterator[int]:\n    yield 1",
        "f ({file}:9) yields: make it `async def`",
    ),
    "a parameter is positional-only": (
        "@service.handler('x')\nasync def f(r, /): ...",
        "f ({file}:9): parameter 'r' is positional-only",
    ),
    "an annotation does not resolve": (
        "@service.handler('x')\nasync def f(r: 'Nope'): ...",
        "f ({file}:9): the annotation 'Nope' cannot be resolved",
    ),
}
AT_IMPORT = {
    "a resource does not say what it is": (
        "@service.resource\nasync def f(): ...",
        "f ({file}:9) provides nothing",
    ),
    "a resource yields and says it does not": (
        "@service.resource\nasync def f() -> Db:\n    yield Db()",
        "f ({file}:9) yields, so its return annotation must be",
    ),
    "a method has two handlers": (
        "@service.handler('x')\nasync def f(): ...\n@service.handler('x')\nasync def g(): ...",
        "'x' is answered twice: by f ({file}:9) and by g ({file}:11)",
    ),
    "a probe does not exist": (
        "@service.probe('healthy')\nasync def f(): ...",
        "'healthy' is no probe; there are live, ready and started\n  {file}:9: ",
    ),
    "an interval is none": (
        "@service.every(-1)\nasync def f(): ...",
        "an interval is a number of seconds above 0, not -1\n  {file}:9: @service.every(-1)\n",
    ),
    "a cron expression is none": (
        "@service.cron('soon')\nasync def f(): ...",
        "'soon' is no cron expression; one is '*/5 * * * *'\n  {file}:9: @service.cron('soon')\n",
    ),
}


def test_a_good_service_is_described(tmp_path: Path) -> None:
    """What it is made of, a line for each kind."""
    write(tmp_path, shop=PARTS + FULL)
    assert mainstay("check", "shop", cwd=tmp_path) == Done(
        0,
        "shop is well\n"
        "  handlers: order\n"
        "  resources: database\n"
        "  workers: ship\n"
        "  jobs: sweep Every(seconds=60)\n"
        "  servers: <Door>\n",
        "",
    )


def test_nothing_is_opened(tmp_path: Path) -> None:
    """No resource, no hook, no worker has run."""
    write(tmp_path, shop=PARTS + FULL)
    assert mainstay("check", "shop", cwd=tmp_path).code == 0
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize(
    ("text", "message"), AT_WIRING.values(), ids=[name.replace(" ", "-") for name in AT_WIRING]
)
def test_a_fault_in_the_wiring_is_found(tmp_path: Path, text: str, message: str) -> None:
    """The message names the function, where it stands and what is wrong; exit code 2."""
    write(tmp_path, shop=PARTS + text)
    done = mainstay("check", "shop", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert f"Error: {message.format(file=tmp_path / 'shop.py')}" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"), AT_IMPORT.values(), ids=[name.replace(" ", "-") for name in AT_IMPORT]
)
def test_a_fault_in_a_declaration_is_found(tmp_path: Path, text: str, message: str) -> None:
    """Found while the module is imported, it is exit code 2 all the same, with the line."""
    write(tmp_path, shop=PARTS + text)
    done = mainstay("check", "shop", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    expected = message.format(file=tmp_path / "shop.py")
    assert f"Error: cannot import 'shop': {expected}" in done.err
    assert "Traceback" not in done.err


def test_resources_in_a_circle_are_found(tmp_path: Path) -> None:
    """All of the circle is named."""
    write(
        tmp_path,
        shop=PARTS + "@service.resource\nasync def f(o: Other) -> Db: ...\n"
        "@service.resource\nasync def g(db: Db) -> Other: ...\n",
    )
    done = mainstay("check", "shop", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "circle: f → g → f" in done.err


def test_a_wrong_configuration_is_found(tmp_path: Path) -> None:
    """It is loaded from where `run` would load it; every fault is listed."""
    write(tmp_path, shop=PARTS)
    (tmp_path / "shop.toml").write_text("[mainstay]\nthreads = 0\n")
    done = mainstay("check", "shop", "--set", "mainstay.call_timeout=soon", cwd=tmp_path)
    assert (done.code, done.out) == (78, "")
    assert "2 problems" in done.err
    assert "mainstay.threads" in done.err
    assert "mainstay.call_timeout" in done.err
