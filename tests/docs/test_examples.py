"""Every example in the docs runs, as a reader would type it."""

import traceback
from pathlib import Path

import pytest

from tests.docs.examples import ROOT, Block, blocks, faults, pages, run

WITH_EXAMPLES = [
    page
    for page in pages()
    # The tutorial's blocks are files: see test_tutorial.py.
    if page.parent.name != "tutorial"
    and any(block.runs for block in blocks(page.read_text("utf-8")))
]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name)
def test_the_examples_of_the_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its blocks run in order, in one namespace, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    run(page.read_text("utf-8"), str(page))


@pytest.mark.parametrize("page", pages(), ids=name)
def test_an_example_that_does_not_run_says_why(page: Path) -> None:
    """Each block is marked `python`, or `python no-run` below a comment with the reason."""
    assert faults(page.read_text("utf-8")) == []


def test_blocks_share_a_namespace() -> None:
    """What one block binds, the next one uses; dataclasses find their module."""
    run(
        "```python\nfrom dataclasses import dataclass\nx = 1\n```\ntext\n"
        "```python\n@dataclass\nclass A:\n    n: 'int' = x\nassert A().n == 1\n```\n",
        "page.md",
    )


def test_a_wrong_example_fails_with_the_line_of_the_page() -> None:
    """The traceback points into the page, not into the block."""
    with pytest.raises(ZeroDivisionError) as caught:
        run("# Title\n\n```python\nx = 0\n1 / x\n```\n", "page.md")
    last = traceback.extract_tb(caught.tb)[-1]
    assert (last.filename, last.lineno) == ("page.md", 5)


def test_other_blocks_are_text() -> None:
    """Console sessions and blocks that say so do not run."""
    run("```console\n$ false\n```\n<!-- it would block -->\n```python no-run\n1 / 0\n```\n", "p.md")


def test_a_block_in_a_list_is_found_without_its_indent() -> None:
    """The fence's indent is not part of the code."""
    found = list(blocks("- item\n\n  ```python\n  x = 1\n  ```\n"))
    assert found == [Block("python", "x = 1\n", 4, "- item")]


def test_an_example_without_a_reason_is_found() -> None:
    """`no-run` needs a comment right above, and any other word is not known."""
    assert faults("Text.\n\n```python no-run\n```\n") == [
        "line 4: no comment above says why it does not run"
    ]
    assert faults("<!-- it listens until stopped -->\n```python no-run\n```\n") == []
    assert faults("```python skip\n```\n") == [
        "line 2: 'python skip' is neither python nor python no-run"
    ]
