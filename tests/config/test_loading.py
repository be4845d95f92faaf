from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mainstay.config import Secret, load
from mainstay.config.loading import plan
from mainstay.errors import ConfigError, Fault, UsageError
from tests.config.world import (
    MODELS,
    Color,
    Database,
    Memory,
    Redis,
    Settings,
    User,
    loaded,
    refused,
    write,
)


def test_layers_override_one_another_in_their_order(tmp_path: Path) -> None:
    """Default, files in order, environment, flags: the last that speaks decides."""
    low = write(tmp_path, 'greeting = "low"\nexcited = true\ncount = 1\n[pool]\nsize = 1')
    high = write(tmp_path, "greeting: high\ncount: 2\n", "high.yaml")
    environ = {"HELLO__COUNT": "3"}
    found = loaded(low, high, environ=environ, flags=["pool.size=4", "pool.size=5"])[User]
    assert (found.greeting, found.excited, found.count, found.pool.size) == ("high", True, 3, 5)
    assert found.pool.idle == 1.0


def test_sections_have_their_own_table_and_prefix(tmp_path: Path) -> None:
    """`mainstay.log.level` is set by [mainstay.log], MAINSTAY__LOG__LEVEL and its full key."""
    file = write(tmp_path, '[mainstay.log]\nlevel = "debug"')
    assert loaded(file)[Settings].log.level == "debug"
    environ = {"MAINSTAY__LOG__LEVEL": "debug"}
    assert loaded(environ=environ).get("mainstay").log.level == "debug"
    assert loaded(flags=["mainstay.log.level=debug"])[Settings].log.level == "debug"


def test_a_file_gives_every_kind_of_value(tmp_path: Path) -> None:
    """Enums, dates, paths, lists, maps, nested and tagged tables arrive as their types."""
    file = write(
        tmp_path,
        """
        color = "blue"
        where = "/srv"
        since = 2026-01-02T03:04:05Z
        tags = ["a", "b"]
        words = { y = 2 }
        limits = { rate = 5 }
        replicas = [{ url = "r1" }, { url = "r2", pool = 3 }]
        [cache]
        type = "redis"
        url = "r"
        [databases.main]
        url = "m"
        """,
    )
    found = loaded(file)[User]
    assert found.color is Color.BLUE
    assert found.where == Path("/srv")
    assert found.since == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found.tags == ["a", "b"]
    assert found.limits == {"rate": 5.0}
    assert found.replicas == [Database("r1"), Database("r2", 3)]
    assert found.cache == Redis("r")
    assert found.databases == {"main": Database("m")}


def test_the_environment_gives_every_kind_of_value() -> None:
    """Text becomes the field's type; lists and tables are JSON, and maps grow key by key."""
    environ = {
        "HELLO__COLOR": "blue",
        "HELLO__EXCITED": "True",
        "HELLO__WHERE": "/srv",
        "HELLO__SINCE": "2026-01-02T03:04:05Z",
        "HELLO__TAGS": '["a"]',
        "HELLO__WORDS__Y": "2",
        "HELLO__DATABASE": '{"url": "u"}',
        "HELLO__DATABASE__POOL": "7",
        "HELLO__DATABASES__MAIN__URL": "m",
        "HELLO__CACHE__TYPE": "redis",
        "HELLO__CACHE__URL": "r",
    }
    found = loaded(environ=environ)[User]
    assert found.color is Color.BLUE
    assert found.excited
    assert found.where == Path("/srv")
    assert found.tags == ["a"]
    assert found.words == {"x": 1, "y": 2}
    assert found.database == Database("u", 7)
    assert found.databases == {"main": Database("m")}
    assert found.cache == Redis("r")


def test_variables_of_others_are_left_alone() -> None:
    """What Kubernetes sets for a service called hello has one underscore, and is not ours."""
    environ = {"HELLO_PORT": "tcp://10.0.0.1:80", "HELLO_SERVICE_HOST": "10.0.0.1", "PATH": "/bin"}
    assert loaded(environ=environ)[User].greeting == "hello"


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    """Layers, models and tables are all looked at before the one error is raised."""
    file = write(
        tmp_path,
        'gretting = "x"\ncount = "5"\n[database]\npool = 500\n[mainstay.log]\nlevel = "dbug"\n',
    )
    lines = refused(
        file,
        environ={"HELLO__DATABSE__URL": "x", "HELLO__EXCITED": "yes"},
        flags=["pool.siez=3", "pool.size=ten", "novalue"],
    )
    assert lines == [
        "hello.toml: gretting: unknown key; did you mean greeting?",
        "environment HELLO__DATABSE__URL: unknown variable; did you mean HELLO__DATABASE__URL?",
        "flag --set pool.siez: unknown key; did you mean pool.size?",
        "flag --set no. 3: expected key=value",
        'environment HELLO__EXCITED: excited = "yes": expected bool',
        'hello.toml: count = "5": expected int, got str',
        'flag --set pool.size = "ten": expected int',
        (
            "database.url: missing: set database.url in hello.toml, or HELLO__DATABASE__URL in the"
            " environment, or --set database.url=…"
        ),
        "hello.toml: database.pool = 500: expected int <= 100",
        'hello.toml: mainstay.log.level = "dbug": expected "debug" or "info"',
    ]


def test_the_error_is_the_operators_and_counts_the_problems(tmp_path: Path) -> None:
    """The heading says how many there are, and whose configuration it is."""
    with pytest.raises(
        ConfigError, match=r"^2 problems in the configuration of hello:\n"
    ) as caught:
        loaded(write(tmp_path, "a = 1\nb = 2"))
    assert caught.value.fault is Fault.OPERATOR
    assert [str(problem)[-14:] for problem in caught.value.problems] == [
        "a: unknown key",
        "b: unknown key",
    ]


def test_nothing_is_called_missing_while_a_file_cannot_be_read(tmp_path: Path) -> None:
    """A file with a syntax error might have had the key."""
    lines = refused(write(tmp_path, "url = "), models={"": Database})
    assert lines == ["hello.toml: line 1, column 7: Invalid value"]


def test_a_secret_comes_from_a_file_in_every_layer(tmp_path: Path) -> None:
    """`<key>_file` names it, relative to the configuration file; one newline is cut off."""
    write(tmp_path, "from-file\n", "secret")
    other = write(tmp_path, "other\n\n", "other")
    file = write(tmp_path, 'key_file = "secret"')
    assert loaded(file)[User].key.reveal() == "from-file"
    assert loaded(file, environ={"HELLO__KEY_FILE": str(other)})[User].key.reveal() == "other\n"
    assert loaded(file, flags=[f"key_file={other}"])[User].key.reveal() == "other\n"
    assert loaded(file, environ={"HELLO__KEY": "text"})[User].key.reveal() == "text"


def test_a_higher_layer_decides_before_a_secrets_file_is_read(tmp_path: Path) -> None:
    """An overridden file need not even exist."""
    file = write(tmp_path, 'key_file = "nowhere"')
    assert loaded(file, environ={"HELLO__KEY": "text"})[User].key.reveal() == "text"


@pytest.mark.parametrize(
    ("toml", "environ", "flags", "origin"),
    [
        ('key = "abcd"\nkey_file = "x"', {}, [], "hello.toml"),
        ("", {"HELLO__KEY": "abcd", "HELLO__KEY_FILE": "x"}, [], "environment HELLO__KEY_FILE"),
        ("", {}, ["key_file=x", "key=abcd"], "flag --set key"),
    ],
)
def test_a_secret_given_twice_in_one_layer_is_a_problem(
    tmp_path: Path, toml: str, environ: dict[str, str], flags: list[str], origin: str
) -> None:
    """Nobody can tell which of the two was meant."""
    (line,) = refused(write(tmp_path, toml), environ=environ, flags=flags)
    assert line.startswith(f"{origin}")
    assert line.endswith("given both as a value and as a file with the value; keep one of them")


def test_no_problem_shows_a_secret(tmp_path: Path) -> None:
    """Not a value of the wrong type, nor one under a mistyped key, nor a model's own message."""
    write(tmp_path, "hunter2", "secret")
    lines = refused(
        write(
            tmp_path,
            'kye = "hunter2"\nkey = ["hunter2"]\n[database]\nurl = "x"\npool = 13\n'
            'password = "hunter2"\n[databases.a]\nurl = "postgresql://a:hunter2@b"\npool = 0\n'
            "[databases.b]\nurl = 1\npool = 13\npassword_file = 'secret'",
        ),
        environ={"HELLO__PASWORD": "hunter2", "HELLO__REPLICAS": "[hunter2"},
        flags=["key:hunter2", "database=hunter2"],
    )
    assert len(lines) == 8
    assert "hunter2" not in "".join(lines)


def test_a_models_own_check_is_a_problem_at_its_table(tmp_path: Path) -> None:
    """__post_init__ that raises ValueError is reported with every origin, less the secrets."""
    file = write(tmp_path, '[database]\nurl = "x"\npassword = "hunter2"')
    lines = refused(file, environ={"HELLO__DATABASE__POOL": "13"})
    assert len(lines) == 1
    assert lines[0].endswith("database: 13 does not go with ***")
    assert "environment HELLO__DATABASE__POOL" in lines[0]
    assert "hello.toml" in lines[0]


def test_rows_say_where_each_value_is_from(tmp_path: Path) -> None:
    """Every value has a row in the model's order, with its origin and what it overrides."""
    write(tmp_path, "hunter2", "secret")
    file = write(tmp_path, 'greeting = "a"\nkey_file = "secret"\n[database]\nurl = "x://u:pw@h"')
    found = loaded(file, environ={"HELLO__GREETING": "b"}, flags=["greeting=c"])
    rows = {row.key: row for row in found.rows()}
    origin = f"file {file}"
    assert rows["greeting"].value == '"c"'
    assert rows["greeting"].origin == "flag --set greeting"
    assert rows["greeting"].shadowed == ("environment HELLO__GREETING", origin)
    assert rows["excited"].origin == "default"
    assert (rows["key"].value, rows["key"].origin) == (
        "***",
        f"{origin} (from {tmp_path / 'secret'})",
    )
    assert rows["database.url"].value == '"x://u:***@h"'
    assert rows["cache.size"].value == "3"
    assert [row.key for row in found.rows()][:3] == ["greeting", "excited", "count"]


def test_loaded_does_not_change_and_shows_no_value() -> None:
    """Nothing can be set on it, its rows are copies, and its repr counts."""
    found = loaded(flags=["greeting=hunter2"])
    with pytest.raises(AttributeError):
        found.anything = 1
    found.rows().clear()
    assert len(found.rows()) == 18
    assert repr(found) == "<Loaded '' 'mainstay' 18 values, 1 given>"


def test_asking_for_a_model_that_is_not_there_names_what_is() -> None:
    """The wrong model or section, and a model of two sections, are errors of the program."""
    found = loaded()
    with pytest.raises(UsageError, match="no section has the model Memory"):
        found[Memory]
    with pytest.raises(UsageError, match="no section 'x'; there are '', 'mainstay'"):
        found.get("x")
    twice = load({"a": Settings, "b": Settings}, name="hello", environ={})
    with pytest.raises(UsageError, match="2 sections have"):
        twice[Settings]


class Clash(msgspec.Struct):
    mainstay: int = 1


class Endless(msgspec.Struct):
    again: Endless


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"": Clash, "mainstay": Settings}, "both a section and a field"),
        ({"": User, "hello": Settings}, "the same variables"),
        ({"Upper": Settings}, "not named in lower case"),
        ({"": int}, "must be a class with fields"),
        ({"": Settings()}, "the root model must be the class Settings, not an instance of it"),
        ({"a": Settings()}, "the model of section 'a' must be the class Settings, not an"),
        ({"": Endless}, "the model Endless requires itself"),
    ],
)
def test_models_that_cannot_stand_together_are_refused(models: Any, message: str) -> None:
    """Names that would mean two things are the program's fault, and found whatever is given."""
    with pytest.raises(UsageError, match=message):
        plan(models, "hello")


def test_without_a_root_model_the_services_variables_are_unknown() -> None:
    """A variable with our prefix that nothing takes is a problem even then."""
    assert refused(environ={"HELLO__X": "1"}, models={"mainstay": Settings}) == [
        "environment HELLO__X: unknown variable"
    ]


def test_a_section_that_is_no_table_is_one_problem(tmp_path: Path) -> None:
    """What the section should have held is not reported missing as well."""
    file = write(tmp_path, "database = 3")
    assert refused(file, models={"database": Database}) == [
        "hello.toml: database: expected table, got int"
    ]


def test_the_defaults_alone_are_a_configuration() -> None:
    """No file, no variable, no flag."""
    found = load(MODELS, name="hello", environ={})[User]
    assert found == User()
    assert found.key == Secret("default")
