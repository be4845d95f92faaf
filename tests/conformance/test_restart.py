"""A short run of ``make restart-proof``: nothing is lost, and what must lose something does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="generations are found by /proc"
)

LAST = re.compile(r"restarts=(\d+) requests=(\d+) failed=0 p99_added_ms=-?\d+\.\d")


def prove(log: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.restart", "--log", str(log), *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=900,
    )
    return done.returncode, done.stdout + done.stderr


def test_restarts_under_load_lose_nothing(tmp_path: Path) -> None:
    """Twenty of them, as one process and with workers, and eight that fail; the controls are not
    blind."""
    log = tmp_path / "log"
    arguments = ["--restarts", "20", "--failing", "8", "--baseline", "2", "--controls", "8"]
    code, said = prove(log, *arguments)
    found = LAST.fullmatch(said.strip().splitlines()[-1])
    assert found is not None, said
    assert code == 0, said + log.read_text(errors="replace")[-4000:]
    assert int(found[1]) == 20
    assert int(found[2]) > 1000


@pytest.mark.parametrize("option", ["--unix", "--tls"])
def test_so_do_restarts_elsewhere(option: str, tmp_path: Path) -> None:
    """Five restarts of a service on a Unix socket, whose path is gone in the end; or with TLS."""
    log = tmp_path / "log"
    arguments = ["--restarts", "5", "--failing", "0", "--baseline", "1", "--controls", "0"]
    code, said = prove(log, *arguments, "--only", "single", option)
    assert code == 0, said + log.read_text(errors="replace")[-4000:]
    assert LAST.fullmatch(said.strip().splitlines()[-1]) is not None, said
