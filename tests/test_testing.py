"""The public face of what services are tested with."""

import subprocess
import sys

import pytest

import mainstay.testing
from mainstay.testing.http import http_client, http_server


def test_every_name_is_there() -> None:
    """Those of HTTP too, which are loaded when they are first used."""
    assert all(hasattr(mainstay.testing, name) for name in mainstay.testing.__all__)
    assert mainstay.testing.http_client is http_client
    assert mainstay.testing.http_server is http_server


def test_who_tests_without_http_does_not_load_it() -> None:
    """`run` and the clocks are for every program."""
    script = (
        "import sys, mainstay.testing\n"
        "assert not [each for each in sys.modules if each.startswith('mainstay.http')]\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=240)


def test_an_unknown_name_is_refused() -> None:
    """As by any module."""
    name = "no_such_name"
    with pytest.raises(AttributeError, match=name):
        getattr(mainstay.testing, name)
