"""The environment of the gRPC bench: that of the other experiments, with the peers in it.

Run with ``python -m bench.grpc.environment``, which prints the path of its interpreter. The code
for the messages is generated, and what is in Go is built, when the bench runs: see `generate` and
`build_go`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.environment import HOME, ROOT, prepare

__all__ = ["BUILD", "PACKAGES", "build_go", "environment", "generate", "install_peers"]

PACKAGES: Final = (
    "googleapis-common-protos",
    "grpcio",
    "grpcio-tools",
    "grpclib",
    "protobuf",
    "uvloop",
)
"""What pip installs, in current releases."""

HERE: Final = Path(__file__).parent
GO: Final = HERE / "go"
BUILD: Final = ROOT / ".cache" / "bench-grpc"
"""Where the generated modules are; on the path of every program of the bench."""

PLUGINS: Final = {
    "protoc-gen-go": "google.golang.org/protobuf/cmd/protoc-gen-go",
    "protoc-gen-go-grpc": "google.golang.org/grpc/cmd/protoc-gen-go-grpc",
}


def install_peers(home: Path = HOME) -> Path:
    """Install the peers, where they are not, and return the interpreter."""
    python = prepare(home)
    stamp = home / "grpc-stamp"
    # The environment is made anew, without this stamp, when its interpreter changes.
    wanted = "\n".join(PACKAGES)
    if not stamp.exists() or stamp.read_text() != wanted:
        sys.stderr.write(f"bench: installing {', '.join(PACKAGES)}\n")
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        options = ["--disable-pip-version-check", "--no-input", "--upgrade"]
        subprocess.run([*pip, *options, *PACKAGES], check=True)
        stamp.write_text(wanted)
    return python


def protoc(*arguments: str) -> None:
    """Run the compiler that comes with grpcio-tools, on the service of the bench."""
    BUILD.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{HERE}", *arguments, "greeter.proto"]
    subprocess.run(command, check=True)


def generate() -> Path:
    """Generate the modules in Python, and return their folder."""
    protoc(f"--python_out={BUILD}", f"--grpc_python_out={BUILD}")
    return BUILD


def build_go() -> Path | None:
    """Build what is in Go, and return its path; None where there is no Go."""
    if shutil.which("go") is None:
        return None
    built = GO / "build"
    plugins = []
    for name, package in PLUGINS.items():
        subprocess.run(["go", "build", "-o", built / name, package], cwd=GO, check=True)
        plugins.append(f"--plugin={name}={built / name}")
    output = [f"--{kind}_out={GO}" for kind in ("go", "go-grpc")]
    module = [f"--{kind}_opt=module=mainstay.example/bench/grpc" for kind in ("go", "go-grpc")]
    protoc(*plugins, *output, *module)
    subprocess.run(["go", "build", "-o", built / "greeter-go", "."], cwd=GO, check=True)
    return built / "greeter-go"


def environment() -> dict[str, str]:
    """Of a program of the bench: ours, with the generated modules on its path."""
    return {**os.environ, "PYTHONPATH": str(BUILD)}


if __name__ == "__main__":
    print(install_peers())
