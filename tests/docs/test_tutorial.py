"""The tutorial does what it says, page by page, from an empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.tutorial import PAGES, Reader, matches

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_works(page: Path, tmp_path: Path) -> None:
    """With the files of the pages before it, each command prints what the page shows."""
    reader = Reader(tmp_path)
    for earlier in PAGES[: PAGES.index(page)]:
        reader.skim(earlier.read_text("utf-8"))
    try:
        for command, shown, printed in reader.read(page.read_text("utf-8")):
            assert matches(shown, printed), (
                f"$ {command}\n{printed}\n--- the page shows\n{shown}\n--- logged\n{reader.rest()}"
            )
    finally:
        reader.stop()
