"""Facts about docs/howto/limits.md: it names every setting of the HTTP server, with its default."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any

import pytest

from mainstay.http.settings import HttpSettings
from mainstay.net.limits import Limits
from tests.docs.examples import ROOT

_ROWS = re.findall(
    r"^\| `(\w+)` \| (.+?) \| (.+) \|$",
    (ROOT / "docs/howto/limits.md").read_text("utf-8"),
    re.MULTILINE,
)
PAGE = {name: default for name, default, _ in _ROWS}

_DEFAULTS: dict[str, Any] = {
    **{each.name: getattr(Limits(), each.name) for each in fields(Limits)},
    **{name: getattr(HttpSettings(), name) for name in HttpSettings.__struct_fields__},
}
del _DEFAULTS["limits"]


def _say(value: Any) -> str:
    return "`none`" if value is None else f"`{json.dumps(value)}`"


@pytest.mark.parametrize("name", _DEFAULTS)
def test_the_page_has_the_setting_with_its_default(name: str) -> None:
    """As `mainstay config` shows it."""
    assert PAGE.get(name) == _say(_DEFAULTS[name])


def test_the_page_has_nothing_else() -> None:
    """A setting that was renamed or removed leaves the page, too; each stands there once."""
    assert set(PAGE) == {*_DEFAULTS, "limits"}
    assert len(PAGE) == len(_ROWS)
