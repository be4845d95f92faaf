"""Every relative link in the docs leads to a file, and to a heading in it where it names one."""

import re
from pathlib import Path

import pytest

from tests.docs.examples import ROOT, pages

LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(\s*<?([^)>\s]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)


def prose(text: str) -> str:
    """The page without its code, in which brackets mean other things."""
    text = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "`code`", text)


def links(text: str) -> list[str]:
    """Where the page's links lead, those to other sites left out."""
    found = [one or two for one, two in LINK.findall(prose(text))]
    return [link for link in found if not re.match(r"[a-z][a-z0-9+.-]*:", link)]


def anchors(text: str) -> set[str]:
    """What a link may name after ``#``: the headings as forges spell them, and explicit ids."""
    text = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    found = set(re.findall(r'(?:id|name)="([^"]+)"', text))
    for heading in re.findall(r"^#+ +(.*?) *#*$", text, re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        anchor = words.replace(" ", "-")
        number = 1
        while anchor in found:
            anchor = f"{words.replace(' ', '-')}-{number}"
            number += 1
        found.add(anchor)
    return found


def dead(page: Path, root: Path) -> list[str]:
    """The links of a page that lead nowhere, or out of the repository."""
    found = []
    for link in links(page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        exists = target.is_relative_to(root.resolve()) and target.exists()
        if not exists or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            found.append(link)
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_the_page_lead_somewhere(page: Path) -> None:
    """Each relative link names a file of the repository, and a heading that the file has."""
    assert dead(page, ROOT) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    """A missing file, a missing heading, and a way out of the repository."""
    (tmp_path / "b.md").write_text("# A heading, `code`\n\n## Two\n\n## Two\n")
    page = tmp_path / "a.md"
    page.write_text(
        "# Here\n[ok](b.md) [ok](b.md#a-heading-code) [ok](#here) [ok](b.md#two-1)\n"
        "[far](https://example.org/x) `[code](no.md)` ![image](no.png)\n"
        "[gone](no.md) [lost](b.md#no) [lost](#no) [out](../../etc) \n[ref]: no/ref.md\n"
    )
    assert dead(page, tmp_path) == [
        "no.png",
        "no.md",
        "b.md#no",
        "#no",
        "../../etc",
        "no/ref.md",
    ]
