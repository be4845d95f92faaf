"""Facts about ``mainstay config``: every value, where it is from, and no secret."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.world import mainstay, write

SHOP = """
    from msgspec import Struct

    from mainstay import Secret, Service

    class Config(Struct):
        greeting: str = "Hello"
        size: int = 3
        database: str = "postgres://shop@db/shop"
        password: Secret | None = None

    service = Service("shop", config=Config)
    """


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write(tmp_path, shop=SHOP)
    return tmp_path


def rows(text: str) -> dict[str, tuple[str, str]]:
    """Key -> value and origin; columns are at least two spaces apart."""
    found = {}
    for line in text.splitlines():
        key, value, origin = re.split(r" {2,}", line)
        found[key] = (value, origin)
    return found


def test_every_value_has_a_row(shop: Path) -> None:
    """The service's own and the framework's, in columns, those of the defaults too."""
    done = mainstay("config", "shop", cwd=shop)
    assert (done.code, done.err) == (0, "")
    found = rows(done.out)
    assert found["greeting"] == ('"Hello"', "default")
    assert found["password"] == ("none", "default")
    assert found["mainstay.shutdown.timeout"] == ("25.0", "default")
    lines = done.out.splitlines()
    assert len({line.index("default") for line in lines}) == 1
    assert all(line == line.rstrip() for line in lines)


def test_a_later_layer_wins(shop: Path) -> None:
    """Defaults, then the file, then the environment, then flags; each row says which it was."""
    layers = {"file": '"file"', "environment": '"environment"', "flag": '"flag"'}
    (shop / "shop.toml").write_text('greeting = "file"\n')
    env = {"SHOP__GREETING": "environment"}
    flags = ("--set", "greeting=flag")
    seen = [
        rows(mainstay("config", "shop", cwd=shop).out),
        rows(mainstay("config", "shop", cwd=shop, env=env).out),
        rows(mainstay("config", "shop", *flags, cwd=shop, env=env).out),
    ]
    assert [each["greeting"] for each in seen] == [
        (layers["file"], "file shop.toml"),
        (layers["environment"], "environment SHOP__GREETING"),
        (layers["flag"], "flag --set greeting"),
    ]


def test_files_are_named_or_found(shop: Path) -> None:
    """--config beats $MAINSTAY_CONFIG, which beats the file beside; of several the last wins."""
    for name in ("shop", "env", "one", "two"):
        (shop / f"{name}.toml").write_text(f'greeting = "{name}"\n')
    env = {"MAINSTAY_CONFIG": "env.toml"}
    both = ("--config", "one.toml", "--config", "two.toml")
    seen = [
        mainstay("config", "shop", cwd=shop),
        mainstay("config", "shop", cwd=shop, env=env),
        mainstay("config", "shop", *both, cwd=shop, env=env),
    ]
    assert [rows(done.out)["greeting"][1] for done in seen] == [
        "file shop.toml",
        "file env.toml",
        "file two.toml",
    ]


def test_json_has_an_object_a_value(shop: Path) -> None:
    """One line each, for scripts, with what it overrides."""
    (shop / "shop.toml").write_text("size = 4\n")
    done = mainstay("config", "shop", "--json", cwd=shop, env={"SHOP__SIZE": "5"})
    assert (done.code, done.err) == (0, "")
    objects = [json.loads(line) for line in done.out.splitlines()]
    assert objects[1] == {
        "key": "size",
        "value": "5",
        "origin": "environment SHOP__SIZE",
        "shadowed": ["file shop.toml"],
    }
    plain = mainstay("config", "shop", cwd=shop, env={"SHOP__SIZE": "5"})
    assert [each["key"] for each in objects] == list(rows(plain.out))


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_secrets_are_masked(shop: Path, form: tuple[str, ...]) -> None:
    """Whichever way they came: file, environment, flag, a file of their own, within a URL."""
    (shop / "shop.toml").write_text('password = "hush-1"\n')
    (shop / "token").write_text("hush-2\n")
    ways: list[tuple[tuple[str, ...], dict[str, str]]] = [
        ((), {}),
        ((), {"SHOP__PASSWORD": "hush-3"}),
        ((), {"SHOP__PASSWORD_FILE": str(shop / "token")}),
        (("--set", "password=hush-4"), {}),
        (("--set", "database=postgres://shop:hush-5@db/shop"), {}),
    ]
    for flags, env in ways:
        done = mainstay("config", "shop", *flags, *form, cwd=shop, env=env)
        assert done.code == 0
        assert "***" in done.out
        assert "hush" not in done.out + done.err


def test_secrets_are_masked_in_messages(shop: Path) -> None:
    """A value that cannot be a secret's is not shown by its error either."""
    (shop / "shop.toml").write_text("password = [12345678]\n")
    done = mainstay("config", "shop", cwd=shop)
    assert (done.code, done.out) == (78, "")
    assert "password" in done.err
    assert "12345678" not in done.err


def test_every_fault_is_listed(shop: Path) -> None:
    """Of all layers at once, each with its place; nothing on stdout; exit code 78."""
    (shop / "shop.toml").write_text('[mainstay.log]\nlevel = "loud"\n')
    done = mainstay(
        "config", "shop", "--set", "nope=1", "--set", "greeting", cwd=shop, env={"SHOP__SIZE": "x"}
    )
    assert (done.code, done.out) == (78, "")
    assert done.err.startswith("Error: 4 problems in the configuration of shop:\n")
    for place in (
        "shop.toml: mainstay.log.level",
        "environment SHOP__SIZE: ",
        "flag --set nope: unknown key",
        "flag --set no. 2: expected key=value",
    ):
        assert place in done.err


@pytest.mark.parametrize(
    ("arguments", "env"),
    [(("--config", "gone.toml"), {}), ((), {"MAINSTAY_CONFIG": "gone.toml"})],
)
def test_a_named_file_must_exist(
    shop: Path, arguments: tuple[str, ...], env: dict[str, str]
) -> None:
    """Only the file that nobody named may be missing."""
    done = mainstay("config", "shop", *arguments, cwd=shop, env=env)
    assert (done.code, done.out) == (78, "")
    assert "gone.toml: the file does not exist" in done.err
