"""Media types by name, and names for downloads."""

from __future__ import annotations

import pytest

from mainstay.http.media_types import content_disposition, guess_type


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("a.TXT", "text/plain; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.webp", "image/webp"),
        ("a.woff2", "font/woff2"),
        ("a.wasm", "application/wasm"),
        ("a.pdf", "application/pdf"),
        ("a.tar.gz", "application/gzip"),
        ("a.unheard-of", "application/octet-stream"),
        ("README", "application/octet-stream"),
        ("folder.html/README", "application/octet-stream"),
        ("/srv/a.html", "text/html; charset=utf-8"),
    ],
)
def test_the_last_ending_decides(name: str, kind: str) -> None:
    """In any case of letters; text is UTF-8."""
    assert guess_type(name) == kind


@pytest.mark.parametrize(
    ("filename", "field"),
    [
        ("a.txt", 'attachment; filename="a.txt"'),
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ("naïve.txt", "attachment; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt"),
        ('a"b\\c.txt', 'attachment; filename="c.txt"'),
        ('a"b.txt', "attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt"),
        ("50%.txt", "attachment; filename=\"50_.txt\"; filename*=UTF-8''50%25.txt"),
        ("../../etc/passwd", 'attachment; filename="passwd"'),
        ("a\r\nset-cookie: b", 'attachment; filename="aset-cookie: b"'),
        ("", 'attachment; filename="download"'),
        ("\ud800", "attachment; filename=\"_\"; filename*=UTF-8''%3F"),
    ],
)
def test_a_download_has_a_name_that_every_client_reads(filename: str, field: str) -> None:
    """In its own script where it can, in ASCII where it cannot."""
    assert content_disposition(filename) == field


def test_a_name_may_be_for_what_is_shown() -> None:
    """Inline, it is the name under which it would be saved."""
    assert content_disposition("a.txt", inline=True) == 'inline; filename="a.txt"'
