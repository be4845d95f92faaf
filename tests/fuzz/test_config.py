"""Whatever a file, a variable or a flag contains, loading ends well or with a ConfigError.

The cases come from a seeded generator, so a failure repeats. Half of them are bytes of any kind;
the other half are valid text that was bent at a few places, which gets further into a parser.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mainstay.errors import ConfigError
from tests.config.world import loaded

ROUNDS = 400

TOML = b"""
greeting = "hello"
since = 2026-01-02T03:04:05Z
tags = ["a", "b"]
words = { y = 2, "z.z" = 0x1F }
key_file = '/nowhere'
[database]
url = "postgresql://app:pw@db/x"
pool = 10
[[replicas]]
url = \"\"\"r1\"\"\"
[cache]
type = "redis"
url = "r"
"""
YAML = b"""
greeting: &g hello
since: 2026-01-02T03:04:05Z
tags: [a, *g, 'b']
words: {y: 2, <<: {z: 0x1F}}
database:
  url: "postgresql://app:pw@db/x"
  pool: 10 # ten
replicas:
  - url: |
      r1
cache: {type: redis, url: !!str 5}
"""
SPICE = [
    b"\x00",
    b"\xff",
    b"\n",
    b"'",
    b'"',
    b"[",
    b"]",
    b"{",
    b"}",
    b"&a ",
    b"*a",
    b"!!int ",
    b"!x ",
]
SPICE += [
    b"<<: ",
    b": ",
    b"- ",
    b"? ",
    b"--- ",
    b"...",
    b"%YAML 9",
    b"=",
    b".",
    b"1e999",
    b"9" * 5000,
]
SPICE += [
    b"2026-99-99",
    b"12:61:61",
    b"!!timestamp ",
    b"!!binary ",
    b"!!set ",
    b"|",
    b">",
    b"@",
    b"`",
]


def bent(dice: random.Random, text: bytes) -> bytes:
    found = bytearray(text)
    for _ in range(dice.randint(1, 6)):
        place = dice.randrange(len(found) + 1)
        found[place : place + dice.choice([0, 0, 1, 5])] = dice.choice(SPICE)
    return bytes(found)


def attempt(*files: Path, environ: dict[str, str], flags: list[str]) -> str:
    """The message of the refusal, empty when there was none."""
    try:
        loaded(*files, environ=environ, flags=flags)
    except ConfigError as refusal:
        said, problems = str(refusal), len(refusal.problems)
    else:
        return ""
    # A heading, and a line for each problem, whatever the content tried to do to the lines.
    assert len(said.splitlines()) == 1 + problems > 1
    return said


@pytest.mark.parametrize(("name", "text"), [("a.toml", TOML), ("a.yaml", YAML)])
def test_a_file_of_any_content_loads_or_is_refused(tmp_path: Path, name: str, text: bytes) -> None:
    """No bytes make a parser or a conversion raise anything but ConfigError."""
    dice = random.Random(name)
    path = tmp_path / name
    for _ in range(ROUNDS):
        path.write_bytes(dice.randbytes(dice.randint(0, 60)))
        attempt(path, environ={}, flags=[])
        path.write_bytes(bent(dice, text))
        attempt(path, environ={}, flags=[])


def test_variables_and_flags_of_any_content_load_or_are_refused() -> None:
    """Neither names nor values of any kind raise anything but ConfigError."""
    dice = random.Random("names")
    names = [
        "GREETING",
        "TAGS",
        "WORDS__A",
        "DATABASE",
        "CACHE__TYPE",
        "KEY_FILE",
        "LIMITS",
        "SINCE",
    ]
    pieces = [
        "__",
        "_",
        "[",
        "{",
        '"',
        "}",
        "]",
        ":",
        ",",
        "1",
        "null",
        "é",
        "\udc80",
        "/",
        "\n",
        "=",
        ".",
    ]
    for _ in range(ROUNDS):
        text = "".join(dice.choices(pieces, k=dice.randint(0, 8)))
        name = "".join(dice.choices([*names, "__", "x"], k=dice.randint(1, 3)))
        environ = {f"HELLO__{dice.choice(names)}": text, f"HELLO__{name}": text}
        key = name.lower().replace("__", ".")
        attempt(environ=environ, flags=[f"{key}={text}", text])
