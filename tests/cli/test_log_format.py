"""The format of what is said where the settings of the service are not known."""

from __future__ import annotations

import json
import os

import pytest

from mainstay.cli.log_format import asked_format, line


@pytest.mark.parametrize(
    ("flags", "environ", "format"),
    [
        (["mainstay.log.format=text"], {}, "text"),
        (["mainstay.log.level=debug"], {"HI__MAINSTAY__LOG__FORMAT": "json"}, "json"),
        (["mainstay.log.format=text"], {"HI__MAINSTAY__LOG__FORMAT": "json"}, "text"),
        (["mainstay.log.format=wrong"], {}, "auto"),
        ([], {}, "auto"),
    ],
)
def test_the_first_lines_have_the_format_that_is_asked_for(
    flags: list[str], environ: dict[str, str], format: str
) -> None:
    """Before a worker says it: by the flag, or else by the variable of whatever service it is."""
    assert asked_format(flags, environ) == format


def test_a_line_is_as_the_records_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text for people and JSON for machines, and `auto` goes by standard error."""
    for form, terminal, as_text in (
        ("text", False, True),
        ("json", True, False),
        ("auto", True, True),
        ("auto", False, False),
    ):
        monkeypatch.setattr(os, "isatty", lambda number, terminal=terminal: terminal)
        said = line("it ends\n", form)  # type: ignore[arg-type]
        if as_text:
            assert said == b"mainstay: it ends\n\n"
        else:
            assert said.count(b"\n") == 1
            assert json.loads(said)["message"] == "it ends\n"
