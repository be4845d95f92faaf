"""Facts about ``mainstay openapi``: the document on stdout, in a file, or compared with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.world import mainstay, write

SHOP = """
    from mainstay import Service

    service = Service("shop")

    @service.get("/hello/{name}")
    async def hello(name: str) -> str:
        "Say hello — to anybody."
    """


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write(tmp_path, shop=SHOP)
    return tmp_path


def test_it_is_written_to_stdout(shop: Path) -> None:
    """As JSON that people can read."""
    done = mainstay("openapi", "shop", cwd=shop)
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out)
    assert document["info"]["title"] == "shop"
    assert "hello" in document["paths"]["/hello/{name}"]["get"]["operationId"]
    assert "Say hello — to anybody" in done.out
    assert done.out.endswith("}\n")


def test_the_prefix_of_the_configuration_is_in_it(shop: Path) -> None:
    """As in what the service answers itself."""
    (shop / "shop.toml").write_text('[mainstay.http]\nprefix = "/v1"\n')
    done = mainstay("openapi", "shop", cwd=shop)
    assert json.loads(done.out)["servers"] == [{"url": "/v1"}]


def test_a_file_is_written_and_compared(shop: Path) -> None:
    """What was just written is what is checked for; a change of the service is found."""
    written = mainstay("openapi", "shop", "-o", "api.json", cwd=shop)
    assert (written.code, written.out) == (0, "")
    assert json.loads((shop / "api.json").read_text())["info"]["title"] == "shop"
    assert mainstay("openapi", "shop", "-o", "api.json", "--check", cwd=shop).code == 0
    write(shop, shop=SHOP.replace("/hello", "/hi"))
    before = (shop / "api.json").read_text()
    done = mainstay("openapi", "shop", "-o", "api.json", "--check", cwd=shop)
    assert done.code == 1
    assert "api.json does not describe shop; write it with mainstay openapi" in done.err
    assert (shop / "api.json").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--check"], 2, "--check needs the file to compare with: -o FILE"),
        (["-o", "none/api.json"], 1, "none/api.json cannot be written: No such file"),
        (["-o", "none.json", "--check"], 1, "none.json cannot be read: No such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    shop: Path, arguments: list[str], code: int, message: str
) -> None:
    """With what to do or what is wrong."""
    done = mainstay("openapi", "shop", *arguments, cwd=shop)
    assert done.code == code
    assert message in done.err
