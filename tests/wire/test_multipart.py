"""Multipart bodies: the parts, in whatever pieces the bytes come, and what is refused."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mainstay.errors import InvalidRequest, TooLarge
from mainstay.wire.multipart import MultipartReader, PartHead, boundary_of

BOUNDARY = b"xYzZY"


def part(content: bytes, disposition: str = 'form-data; name="a"', *fields: str) -> bytes:
    lines = [f"Content-Disposition: {disposition}", *fields]
    return b"--xYzZY\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xYzZY--\r\n"


def read(*pieces: bytes, **limits: Any) -> list[tuple[PartHead, bytes]]:
    reader = MultipartReader(BOUNDARY, **limits)
    found: list[tuple[PartHead, bytes]] = []
    for piece in [*pieces, b""]:
        for event in reader.receive_data(piece):
            if isinstance(event, PartHead):
                found.append((event, b""))
            else:
                assert event
                found[-1] = (found[-1][0], found[-1][1] + event)
    assert reader.finished
    return found


def cut(data: bytes, random_: random.Random) -> list[bytes]:
    """`data` in pieces, none of them empty."""
    mean = random_.choice([1, 2, 3, 7, 20, 100])
    pieces = []
    while data:
        size = min(len(data), random_.randint(1, 2 * mean))
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def nasty(random_: random.Random) -> bytes:
    """Content made of what looks like a boundary, and is none."""
    shreds = [b"\r", b"\n", b"\r\n", b"-", b"--", b"xYzZ", b"Y", b"\r\n--xYzZ", b"--xYzZY", b"\0",
              b"\r\n--", b"\n--xYzZY\n", b"\r\r\n--xYz", b"abc", b": ", b"\xff"]  # fmt: skip
    content = b"".join(random_.choices(shreds, k=random_.randint(0, 12)))
    while b"\r\n--xYzZY" in b"\r\n" + content + b"\r":
        content = content.replace(b"xYzZY", b"xYzZ")
    return content


def test_a_field_and_a_file() -> None:
    """Name, file name, type and content of each part."""
    found = read(
        body(
            part(b"1"),
            part(
                b"\x89PNG\r\n", 'form-data; name="b"; filename="p.png"', "Content-Type: image/png"
            ),
        )
    )
    (first, one), (second, two) = found
    assert (first.name, first.filename, first.content_type) == ("a", None, "text/plain")
    assert (second.name, second.filename, second.content_type) == ("b", "p.png", "image/png")
    assert second.headers.get("Content-Type") == "image/png"
    assert (one, two) == (b"1", b"\x89PNG\r\n")


def test_a_form_may_be_empty() -> None:
    """The closing boundary alone is a form without parts."""
    assert read(body()) == []


def test_line_breaks_in_front_and_anything_behind_are_dropped() -> None:
    """Some clients begin with an empty line; an epilogue means nothing."""
    found = read(b"\r", b"\n" + body(part(b"1")) + b"\r\nepilogue --xYzZY", b"more")
    assert [content for _, content in found] == [b"1"]


@pytest.mark.parametrize("seed", range(300))
def test_any_cut_gives_the_same_parts(seed: int) -> None:
    """Content that looks like boundaries, cut at random, comes out as it went in."""
    random_ = random.Random(seed)
    contents = [nasty(random_) for _ in range(random_.randint(0, 5))]
    data = body(*[part(each, f'form-data; name="f{n}"') for n, each in enumerate(contents)])
    expected = [(f"f{n}", each) for n, each in enumerate(contents)]
    for pieces in ([data], cut(data, random_), [bytes([byte]) for byte in data]):
        assert [(head.name, content) for head, content in read(*pieces)] == expected


@pytest.mark.parametrize("seed", range(300))
def test_any_cut_of_a_broken_body_gives_the_same_verdict(seed: int) -> None:
    """A byte changed, dropped or doubled: either the same parts, or refused, however it is cut;
    and nothing but our own errors comes out."""
    random_ = random.Random(seed)
    data = bytearray(body(*[part(nasty(random_)) for _ in range(random_.randint(1, 3))]))
    for _ in range(random_.randint(1, 3)):
        place = random_.randrange(len(data))
        change = random_.choice(["set", "drop", "double"])
        if change == "set":
            data[place] = random_.choice(b'\r\n-xY: ;=\0\xffa"')
        elif change == "drop":
            del data[place]
        else:
            data.insert(place, data[place])

    def verdict(pieces: list[bytes]) -> list[tuple[str, bytes]] | None:
        try:
            return [(head.name, content) for head, content in read(*pieces)]
        except InvalidRequest:
            return None

    whole = verdict([bytes(data)])
    assert verdict(cut(bytes(data), random_)) == whole
    assert verdict([bytes([byte]) for byte in data]) == whole


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"preamble\r\n" + body(part(b"1")),
        b"--other\r\n\r\n--other--",
        b"--xYzZY\n\n1",
        body(part(b"1"))[:-6],
        part(b"1"),
        b"--xYzZY\r\n\r\n1\r\n--xYzZY--",
        body(part(b"1", "form-data")),
        body(part(b"1", 'attachment; name="a"')),
        body(part(b"1", 'form-data; name="a"; name="b"')),
        body(part(b"1", 'form-data; name="a')),
        body(part(b"1", 'form-data; name="a"', 'Content-Disposition: form-data; name="b"')),
        body(part(b"1", 'form-data; name="a"', "Content-Transfer-Encoding: base64")),
        body(part(b"1", 'form-data; name="a"', "bad field: 1")),
        body(part(b"1", 'form-data; name="a"', " folded")),
        body(part(b"1").replace(b'"a"', b'"\xff"')),
    ],
    ids=repr,
)
def test_a_malformed_body_is_refused(data: bytes) -> None:
    """With our own error, which becomes 400."""
    with pytest.raises(InvalidRequest):
        read(data)


def test_each_bound_holds() -> None:
    """Number of parts, fields of a head, bytes of a head: 413 beyond."""
    three = body(part(b"1"), part(b"2"), part(b"3"))
    assert len(read(three, most_parts=3)) == 3
    with pytest.raises(TooLarge, match="2 parts"):
        read(three, most_parts=2)
    fields = [f"x-{n}: y" for n in range(4)]
    with pytest.raises(TooLarge, match="4 fields"):
        read(body(part(b"1", 'form-data; name="a"', *fields)), header_count=4)
    with pytest.raises(TooLarge, match="200 bytes"):
        read(body(part(b"1", 'form-data; name="a"', "x-y: " + "z" * 200)), head_size=200)


def test_a_head_without_end_is_bounded_while_it_comes() -> None:
    """Before its last line was seen, however small the pieces are."""
    reader = MultipartReader(BOUNDARY, head_size=100)
    reader.receive_data(b"--xYzZY\r\nX-Y: ")
    with pytest.raises(TooLarge):
        for _ in range(101):
            reader.receive_data(b"z")


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("photo.png", "photo.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\\\Users\\\\me\\\\photo.png", "photo.png"),
        ("a\tb.png", "ab.png"),
        ("größe.png", "größe.png"),
        ("", ""),
        ('say \\"hi\\".txt', 'say "hi".txt'),
    ],
)
def test_a_file_name_is_one_component(sent: str, seen: str) -> None:
    """Folders and control characters are taken off."""
    [(head, _)] = read(body(part(b"1", f'form-data; name="a"; filename="{sent}"')))
    assert head.filename == seen


def test_the_boundary_comes_from_the_content_type() -> None:
    """What RFC 2046 lets it be; else the request is refused."""
    assert boundary_of({"boundary": "----WebKit(1)+x"}) == b"----WebKit(1)+x"
    for wrong in ({}, {"boundary": ""}, {"boundary": "a" * 71}, {"boundary": "a\r\nb"},
                  {"boundary": "ends "}, {"boundary": "größe"}):  # fmt: skip
        with pytest.raises(InvalidRequest):
            boundary_of(wrong)


def test_the_scanner_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A peer that sends garbage does not fill the log."""
    with pytest.raises(InvalidRequest):
        read(b"--xYzZY\r\n\x01: x\r\n\r\n")
    assert caplog.records == []
