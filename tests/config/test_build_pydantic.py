from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from mainstay.config import Secret
from tests.config.world import loaded, refused, write

pydantic = pytest.importorskip("pydantic", reason="pydantic is the user's to install")


class Database(pydantic.BaseModel):  # type: ignore[misc,name-defined]
    url: str
    pool: int = 3
    password: pydantic.SecretStr | None = None  # type: ignore[name-defined]


class Model(pydantic.BaseModel):  # type: ignore[misc,name-defined]
    database: Database
    key: Secret | None = None
    level: Literal["a", "b"] = "a"
    tags: list[int] = pydantic.Field([])
    words: dict[str, int] = pydantic.Field({})
    databases: list[Database] = pydantic.Field([])
    port: int = pydantic.Field(80, alias="thePort")

    @pydantic.model_validator(mode="after")  # type: ignore[untyped-decorator]
    def check(self) -> Model:
        if self.level == "b" and self.key is not None:
            raise ValueError(f"b does not go with {self.key.reveal()}")
        return self


MODELS = {"": Model}


def test_a_pydantic_model_is_filled_from_every_layer(tmp_path: Path) -> None:
    """Its aliases are its keys, and its secrets are masked and may come from files."""
    write(tmp_path, "hunter2", "secret")
    file = write(
        tmp_path, 'thePort = 1\nkey = "k"\n[database]\nurl = "u"\npassword_file = "secret"'
    )
    environ = {"HELLO__TAGS": "[1]", "HELLO__WORDS__A": "3", "HELLO__DATABASE__POOL": "4"}
    found = loaded(file, environ=environ, models=MODELS)
    model = found[Model]
    assert (model.port, model.tags, model.words, model.database.pool) == (1, [1], {"a": 3}, 4)
    assert model.database.password is not None
    assert model.database.password.get_secret_value() == "hunter2"
    assert model.key == Secret("k")
    assert '"key":"***"' in model.model_dump_json()
    rows = {row.key: (row.value, row.origin) for row in found.rows()}
    assert rows["database.password"] == ("***", f"file {file} (from {tmp_path / 'secret'})")
    assert rows["database.pool"] == ("4", "environment HELLO__DATABASE__POOL")


def test_each_of_pydantics_errors_is_a_problem(tmp_path: Path) -> None:
    """With our key, our origin, and the value unless it is secret."""
    file = write(
        tmp_path,
        'level = "c"\nkey = 5\ntags = [1, "x"]\n[words]\na = "x"\n'
        '[[databases]]\nurl = "x"\npool = "y"\npassword_file = "no"\n[[databases]]\n',
    )
    lines = refused(file, models=MODELS)
    starts = [
        "hello.toml: databases[0].password: the value is to come from ",
        "database.url: missing: set database.url in ",
        "hello.toml: key = ***: expected str",
        'hello.toml: level = "c": Input should be',
        'hello.toml: tags[1] = "x": Input should be a valid integer',
        'hello.toml: words.a = "x": Input should be a valid integer',
        'hello.toml: databases[0].pool = "y": Input should be a valid integer',
        "databases[1].url: missing: set databases[1].url in ",
    ]
    assert len(lines) == len(starts)
    assert all(line.startswith(start) for line, start in zip(lines, starts, strict=True))


def test_a_pydantic_models_own_check_does_not_show_secrets(tmp_path: Path) -> None:
    """What a validator says is a problem of the table, less the secrets it was given."""
    file = write(tmp_path, 'level = "b"\nkey = "hunter2"\n[database]\nurl = "u"')
    assert refused(file, models=MODELS) == ["hello.toml: b does not go with ***"]
