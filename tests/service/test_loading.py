"""Facts about `mainstay.service.loading`."""

from pathlib import Path

import msgspec
import pytest

from mainstay import Service, Settings
from mainstay.errors import ConfigError
from mainstay.service.loading import (
    FRAMEWORK,
    OWN,
    configuration,
    default_files,
    defaults,
    models_of,
    overlooked,
)


class Own(msgspec.Struct):
    """The configuration of a service."""

    url: str
    size: int = 4


SERVICE = Service("shop", config=Own).declaration
BARE = Service("shop").declaration


def test_own_keys_and_the_framework_s_are_apart(tmp_path: Path) -> None:
    """The service's at the top of the file, the framework's in a table of its own."""
    file = tmp_path / "any.toml"
    file.write_text('url = "db"\n[mainstay.shutdown]\ntimeout = 7\n')
    loaded = configuration(SERVICE, files=[file], flags=["size=5"], environ={})
    assert loaded.get(OWN) == Own("db", 5)
    assert loaded.get(FRAMEWORK).shutdown.timeout == 7


def test_variables_have_the_service_s_name(tmp_path: Path) -> None:
    """And the framework's its own."""
    environ = {"SHOP__URL": "db", "MAINSTAY__SHUTDOWN__TIMEOUT": "9"}
    loaded = configuration(SERVICE, files=[], flags=[], environ=environ)
    assert loaded.get(OWN).url == "db"
    assert loaded.get(FRAMEWORK).shutdown.timeout == 9


def test_a_service_without_configuration_has_the_framework_s_only() -> None:
    """And refuses keys of its own."""
    assert models_of(BARE) == {FRAMEWORK: Settings}
    with pytest.raises(ConfigError):
        configuration(BARE, files=[], flags=["url=db"], environ={})


def test_the_file_has_the_service_s_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``<name>.toml`` in the working directory if there is one; ``$MAINSTAY_CONFIG`` before it."""
    monkeypatch.chdir(tmp_path)
    assert default_files(SERVICE, {}) == []
    Path("shop.toml").write_text('url = "db"')
    assert default_files(SERVICE, {}) == [Path("shop.toml")]
    assert default_files(SERVICE, {"MAINSTAY_CONFIG": "other.toml"}) == [Path("other.toml")]
    assert configuration(SERVICE, files=None, flags=[], environ={}).get(OWN).url == "db"
    with pytest.raises(ConfigError, match="url"):
        configuration(SERVICE, files=[], flags=[], environ={})


def test_a_variable_with_one_underscore_for_two_is_told() -> None:
    """Of the framework's only: Kubernetes sets SHOP_PORT, and MAINSTAY_PORT as well."""
    environ = {
        "MAINSTAY_LOG_LEVEL": "debug",
        "MAINSTAY__SHUTDOWN__TIMEOUT": "9",
        "MAINSTAY_SHUTDOWN__TIMEOUT": "9",
        "MAINSTAY_PORT": "tcp://10.0.0.1:80",
        "MAINSTAY_WORKER": "0",
        "SHOP_URL": "db",
    }
    assert overlooked(SERVICE, (), environ) == [
        "MAINSTAY_LOG_LEVEL is not read; did you mean MAINSTAY__LOG__LEVEL?",
        "MAINSTAY_SHUTDOWN__TIMEOUT is not read; did you mean MAINSTAY__SHUTDOWN__TIMEOUT?",
    ]
    assert overlooked(SERVICE, (), {"MAINSTAY__LOG__LEVEL": "debug"}) == []


def test_a_file_that_nobody_reads_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the service's name and another ending; beside a file that is read it is no slip."""
    monkeypatch.chdir(tmp_path)
    Path("shop.yaml").write_text("url: db")
    (told,) = overlooked(SERVICE, None, {})
    assert told == "shop.yaml is not read: name it by --config or in MAINSTAY_CONFIG"
    assert overlooked(SERVICE, [Path("shop.yaml")], {}) == []
    assert overlooked(SERVICE, None, {"MAINSTAY_CONFIG": "shop.yaml"}) == []
    Path("shop.toml").write_text('url = "db"')
    assert overlooked(SERVICE, None, {}) == []


def test_embedded_without_configuration_the_defaults_hold() -> None:
    """A key without a default has to be given, and the error names it."""
    with pytest.raises(ConfigError, match="url"):
        defaults(SERVICE, None, None)
    given, settings = Own("db"), Settings(threads=3)
    assert defaults(SERVICE, given, settings) == (given, settings)
    assert defaults(BARE, None, None) == (None, Settings())
