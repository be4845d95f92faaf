"""Which interpreter the bench takes."""

import sys
from pathlib import Path

from bench.environment import Interpreter, choose, inspect


def made(version: str, probe: float, *flags: str) -> Interpreter:
    return Interpreter(f"/python{version}", version, "GCC", flags, probe)


def test_the_fastest_is_taken() -> None:
    """Even if its configure line does not say that it is optimised, and it is old."""
    fast, slow = made("3.11.2", 1.0), made("3.14.0", 1.3, "--enable-optimizations")
    assert choose([slow, fast]) is fast


def test_among_equals_the_optimised_then_the_newest() -> None:
    """A probe is too short to tell a few per cent."""
    old, new = made("3.9.1", 1.0), made("3.12.0", 1.03)
    optimised = made("3.11.0", 1.04, "--enable-optimizations")
    assert choose([old, optimised, new]) is optimised
    assert choose([old, new]) is new


def test_the_base_of_this_interpreter_is_known() -> None:
    """The probe runs on a real interpreter and says what it is."""
    found = inspect(Path(sys.base_prefix, "bin", f"python3.{sys.version_info[1]}"))
    assert found is not None
    assert found.version.startswith(f"3.{sys.version_info[1]}.")
    assert found.probe > 0


def test_what_cannot_be_measured_on_is_no_choice(tmp_path: Path) -> None:
    """A virtual environment, which would nest, and what does not run."""
    if sys.prefix != sys.base_prefix:
        assert inspect(sys.executable) is None
    assert inspect(tmp_path / "python3") is None
