"""Facts about ``mainstay completion``: each shell's script, and what bash makes of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_main import COMMANDS
from tests.cli.world import GOOD, MAINSTAY, PATIENCE, environment, mainstay, write

# Asks the script as bash does at TAB: the words of the line, the last one being typed.
ASK = """
source ./script
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_mainstay_completion mainstay
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(tmp_path: Path, shell: str) -> None:
    """It calls back the command by its name, and says nothing else."""
    done = mainstay("completion", shell, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert f"_MAINSTAY_COMPLETE={shell}_complete" in done.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_is_one_of_its_shell(tmp_path: Path, shell: str) -> None:
    """The shell itself reads it without complaint, where it is installed."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(mainstay("completion", shell, cwd=tmp_path).out)
    command = [shell, "-n", str(script)]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with modules, and the command on the path by its name."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    write(tmp_path, **{"good": GOOD, "shop/__init__": "", "shop/app": GOOD})
    (tmp_path / "script").write_text(mainstay("completion", "bash", cwd=tmp_path).out)
    command = tmp_path / "bin" / "mainstay"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable} -P\n{MAINSTAY[-1]}\n")
    command.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], list(COMMANDS)),
        (["co"], ["completion", "config"]),
        (["run", ""], ["good", "shop"]),
        (["check", "g"], ["good"]),
        (["check", "shop."], ["shop.app"]),
        (["run", "--d"], ["--daemon", "--dev"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["run", "--pa"], [""]),
    ],
)
def test_bash_completes(shop: Path, words: list[str], expected: list[str]) -> None:
    """Commands, modules of the working directory, options, and no option that is hidden."""
    env = environment()
    env["PATH"] = f"{shop / 'bin'}:{env['PATH']}"
    done = subprocess.run(
        ["bash", "-c", ASK, "bash", "mainstay", *words],
        cwd=shop,
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stderr == ""
    assert sorted(done.stdout.splitlines()) == sorted(expected)
