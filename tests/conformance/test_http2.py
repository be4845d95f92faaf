"""h2spec, which knows HTTP/2 and HPACK case by case (RFC 7540 and 7541), and a client of others."""

import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.program import ROOT, serving

H2SPEC: Final = ROOT / ".cache/go/bin/h2spec"

CASES: Final = 146

EXPLAINED: Final[dict[str, str]] = {
    "http2/3.5 Sends invalid connection preface": (
        "what does not begin with the preface is taken for HTTP/1.1 on the same port, and answered "
        "400; GOAWAY may be omitted, since the peer is not using HTTP/2 (§3.4)"
    ),
}
"""Case -> why it may fail, with the section of RFC 9113. Can only shrink."""


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with serving() as address:
        yield address


@pytest.mark.skipif(not H2SPEC.exists(), reason="scripts/conformance-h2 builds h2spec, with Go")
def test_every_case_of_h2spec_holds(address: tuple[str, int], tmp_path: Path) -> None:
    """Also its strict cases, on plain TCP with prior knowledge."""
    host, port = address
    report = tmp_path / "report.xml"
    command: list[str | Path] = [
        H2SPEC,
        "--strict",
        "-h",
        host,
        "-p",
        str(port),
        "-P",
        "/echo",
        "-o",
        "60",
    ]
    subprocess.run(
        [*command, "-j", report],
        check=False,
        capture_output=True,
        timeout=800,
        stdin=subprocess.DEVNULL,
    )
    cases = list(ET.parse(report).getroot().iter("testcase"))
    failed = {
        f"{case.get('package')} {case.get('classname')}": "".join(case.itertext()).strip()
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    }
    assert len(cases) == CASES
    assert failed.keys() == EXPLAINED.keys(), failed
