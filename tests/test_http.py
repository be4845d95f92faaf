"""The public face of HTTP."""

import importlib
import subprocess
import sys

import pytest

from mainstay import http


def test_every_name_is_public_in_its_home() -> None:
    """What `mainstay.http` offers is what the file that it names offers, under the same name."""
    assert sorted(http._HOMES) == http.__all__
    for name, home in http._HOMES.items():
        place = importlib.import_module(home)
        assert name in place.__all__
        assert getattr(http, name) is getattr(place, name)


def test_a_name_hides_no_module() -> None:
    """`mainstay.http.files` is the module, whoever asks first."""
    taken = set(http._HOMES) & {home.rpartition(".")[2] for home in http._HOMES.values()}
    for name in taken:
        with pytest.raises(ImportError):
            importlib.import_module(f"mainstay.http.{name}")


def test_a_name_loads_what_it_needs_and_no_more() -> None:
    """Importing the package alone loads nothing, and a name not the whole of HTTP."""
    script = (
        "import sys, mainstay.http\n"
        "assert not [each for each in sys.modules if each.startswith('mainstay.http.')]\n"
        "from mainstay.http import Headers\n"
        "assert 'mainstay.http.headers' in sys.modules\n"
        "assert 'mainstay.http.router' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=240)


def test_the_errors_of_handlers_stand_beside_the_rest() -> None:
    """What a handler raises most is imported where its other names are."""
    names = {"Conflict", "InvalidRequest", "NotFound", "PermissionDenied", "Unauthenticated"}
    assert names <= set(http.__all__)
    assert http.NotFound is importlib.import_module("mainstay.errors").NotFound


def test_it_answers_as_any_module_does() -> None:
    """An unknown name is an AttributeError; `dir` lists the known ones."""
    name = "no_such_name"
    with pytest.raises(AttributeError, match=name):
        getattr(http, name)
    assert set(http.__all__) <= set(dir(http))
