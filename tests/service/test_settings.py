"""Facts about `mainstay.service.settings`."""

import msgspec
import pytest

from mainstay import Settings
from mainstay.service.settings import ShutdownSettings


def test_the_defaults_are_those_of_the_documentation() -> None:
    """25 s fit into the 30 that Kubernetes gives."""
    settings = Settings()
    assert settings.shutdown.timeout == 25
    assert settings.call_timeout == 30
    assert settings.start_timeout == 60
    assert settings.threads == 40
    assert settings.watchdog.enabled


@pytest.mark.parametrize(
    ("given", "environ", "delay"),
    [
        (None, {}, 0),
        (None, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, 5),
        (3.0, {}, 3),
        (0.0, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, 0),
    ],
)
def test_the_delay_depends_on_where_it_runs_unless_it_is_given(
    given: float | None, environ: dict[str, str], delay: float
) -> None:
    """In Kubernetes the removal of an endpoint is asynchronous."""
    assert ShutdownSettings(pre_stop_delay=given).delay_in(environ) == delay


@pytest.mark.parametrize(
    "wrong",
    [
        {"call_timeout": 0},
        {"threads": 0},
        {"start_timeout": -1},
        {"shutdown": {"timeout": 0}},
        {"shutdown": {"pre_stop_delay": -1}},
        {"shutdown": {"tiemout": 5}},
        {"watchdog": {"threshold": 0}},
    ],
)
def test_values_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    """And unknown keys too."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Settings)
