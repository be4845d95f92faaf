"""Models of every kind, and a short way to load them."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import pytest

from mainstay.config import Loaded, Problem, Secret, load
from mainstay.errors import ConfigError


class Database(msgspec.Struct):
    url: str
    pool: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    password: Secret | None = None

    def __post_init__(self) -> None:
        if self.password is not None and self.pool == 13:
            raise ValueError(f"13 does not go with {self.password.reveal()}")


class Redis(msgspec.Struct, tag="redis"):
    url: str


class Memory(msgspec.Struct, tag="memory"):
    size: int = 3


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Pool:
    size: int = 5
    idle: float = 1.0


class Limits(TypedDict):
    rate: float
    burst: NotRequired[int]


@dataclass
class User:
    greeting: str = "hello"
    excited: bool = False
    count: int | None = 3
    color: Color = Color.RED
    where: Path | None = None
    since: datetime | None = None
    tags: list[str] = field(default_factory=list)
    words: dict[str, int] = field(default_factory=lambda: {"x": 1})
    pool: Pool = field(default_factory=lambda: Pool(20))
    database: Database | None = None
    databases: dict[str, Database] = field(default_factory=dict)
    replicas: Annotated[list[Database], msgspec.Meta(max_length=2)] = field(default_factory=list)
    cache: Redis | Memory = field(default_factory=Memory)
    limits: Limits | None = None
    key: Annotated[Secret, msgspec.Meta(min_length=4)] = field(
        default_factory=lambda: Secret("default")
    )


class Log(msgspec.Struct):
    level: Literal["debug", "info"] = "info"


class Settings(msgspec.Struct):
    log: Log = msgspec.field(default_factory=Log)


MODELS: Mapping[str, Any] = {"": User, "mainstay": Settings}


def write(folder: Path, text: str, name: str = "hello.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def loaded(
    *files: Path,
    environ: Mapping[str, str] | None = None,
    flags: Sequence[str] = (),
    models: Mapping[str, Any] = MODELS,
) -> Loaded:
    return load(models, name="hello", files=files, environ=environ or {}, flags=flags)


def refused(
    *files: Path,
    environ: Mapping[str, str] | None = None,
    flags: Sequence[str] = (),
    models: Mapping[str, Any] = MODELS,
) -> list[str]:
    """The problems that loading finds, a line each, the files' folders left out."""
    with pytest.raises(ConfigError) as caught:
        loaded(*files, environ=environ, flags=flags, models=models)
    assert all(isinstance(problem, Problem) for problem in caught.value.problems)
    lines = [str(problem) for problem in caught.value.problems]
    assert str(caught.value).splitlines()[1:] == [f"  {line}" for line in lines]
    for path in files:
        lines = [line.replace(f"{path.parent}/", "") for line in lines]
    return lines
