"""Facts about ``mainstay run``: when it ends, with which code, and what it says."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cli.world import GOOD, MAINSTAY, PATIENCE, held_port, mainstay, running, write

SECRETIVE = """
    import logging

    from msgspec import Struct

    from mainstay import Secret, Service

    class Config(Struct):
        password: Secret
        greeting: str = "Hello"

    service = Service("good", config=Config)

    @service.on_start
    async def tell(config: Config) -> None:
        logging.getLogger("app").info("it says %s", config.greeting)
        logging.getLogger("app").info("with %s", config, extra={"password": "hush-2"})
    """


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(tmp_path: Path, number: int) -> None:
    """It serves until TERM or Ctrl-C, says so, and exits with 0; stdout is the program's own."""
    write(tmp_path, good=GOOD)
    with running("run", "good:service", cwd=tmp_path) as process:
        process.wait_line("good runs on")
        assert process.end(number) == 0
        assert "exit code 0" in process.lines[-1]
        assert "Traceback" not in process.text


def test_the_configuration_is_layered(tmp_path: Path) -> None:
    """What runs is what `mainstay config` shows: file, then environment, then flag; from
    $MAINSTAY_CONFIG too."""
    write(tmp_path, good=SECRETIVE)
    (tmp_path / "good.toml").write_text('greeting = "file"\npassword = "hush-1"\n')
    (tmp_path / "other.toml").write_text('greeting = "other"\npassword = "hush-1"\n')
    cases = [
        ((), {}, "file"),
        ((), {"MAINSTAY_CONFIG": "other.toml"}, "other"),
        (("--config", "other.toml"), {}, "other"),
        ((), {"GOOD__GREETING": "environment"}, "environment"),
        (("--set", "greeting=flag"), {"GOOD__GREETING": "environment"}, "flag"),
    ]
    for flags, env, expected in cases:
        with running("run", "good", *flags, cwd=tmp_path, env=env) as process:
            assert f"it says {expected}" in process.wait_line("it says")
            process.wait_line("good runs on")
            assert process.end(signal.SIGTERM) == 0
            assert "hush" not in process.text


def test_a_wrong_configuration_ends_it_with_78(tmp_path: Path) -> None:
    """Every fault of every layer is listed, no secret among them, and nothing has started."""
    write(tmp_path, good=SECRETIVE)
    (tmp_path / "good.toml").write_text('password = ["hush-1"]\ncolour = 1\n')
    done = mainstay(
        "run", "good", "--set", "bad", cwd=tmp_path, env={"GOOD__MAINSTAY__THREADS": "0"}
    )
    assert (done.code, done.out) == (78, "")
    assert done.err.startswith("Error: 4 problems in the configuration of good:\n")
    assert "flag --set no. 1: expected key=value" in done.err
    assert "colour" in done.err
    assert "hush" not in done.err
    assert "Traceback" not in done.err


def test_a_named_file_that_is_missing_ends_it_with_78(tmp_path: Path) -> None:
    """Named by the flag or by $MAINSTAY_CONFIG."""
    write(tmp_path, good=GOOD)
    by_flag = mainstay("run", "good", "--config", "gone.toml", cwd=tmp_path)
    by_name = mainstay("run", "good", cwd=tmp_path, env={"MAINSTAY_CONFIG": "gone.toml"})
    assert by_flag == by_name
    assert (by_flag.code, by_flag.out) == (78, "")
    assert "gone.toml: the file does not exist" in by_flag.err


@pytest.mark.parametrize(
    ("text", "component"),
    [
        (
            "@service.resource\nasync def database() -> int:\n    raise OSError('no route')\n",
            "resource 'database' could not be started: no route",
        ),
        (
            "@service.on_start\nasync def warm_up() -> None:\n    raise OSError('no route')\n",
            "start hook 'warm_up' could not be started: no route",
        ),
    ],
)
def test_a_failed_start_ends_it_with_3(tmp_path: Path, text: str, component: str) -> None:
    """The message names the component and its trouble."""
    write(
        tmp_path,
        good=f"from mainstay import Service\nservice = Service('good')\n{text}",
    )
    done = mainstay("run", "good", cwd=tmp_path)
    assert (done.code, done.out) == (3, "")
    assert component in done.err


def test_a_worker_that_gives_up_ends_it_with_1(tmp_path: Path) -> None:
    """A service whose worker is dead only looks alive."""
    write(
        tmp_path,
        good="""
        from mainstay import Service
        service = Service("good")

        @service.worker(give_up_after=1)
        async def consume() -> None:
            raise OSError("the broker is gone")
        """,
    )
    done = mainstay("run", "good", cwd=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert "worker 'consume' failed: " in done.err
    assert "the broker is gone" in done.err


def test_quit_cancels_at_once(tmp_path: Path) -> None:
    """A worker that would drain for ever is cut off, its stack in the log: exit code 124."""
    write(
        tmp_path,
        good="""
        import asyncio
        from mainstay import Service
        service = Service("good")

        @service.worker(drain=True)
        async def consume() -> None:
            print("consuming", flush=True)
            await asyncio.sleep(3600)
        """,
    )
    with running("run", "good", cwd=tmp_path) as process:
        process.wait_line("consuming")
        assert process.end(signal.SIGQUIT) == 124
        assert "what everything is doing" in process.text
        assert re.search(r"good\.py:\d+ consume", process.text)


def test_a_thread_that_never_ends_does_not_keep_it(tmp_path: Path) -> None:
    """It is named, and the process leaves without it, what it printed written out."""
    write(
        tmp_path,
        good="""
        import threading
        from mainstay import Service
        service = Service("good")
        threading.Thread(target=threading.Event().wait, name="sleepy").start()

        @service.on_stop
        async def last() -> None:
            print("last words")
        """,
    )
    with running("run", "good", cwd=tmp_path) as process:
        process.wait_line("good runs on")
        assert process.end(signal.SIGTERM) == 0
        assert '"leaving without threads that do not end: sleepy"}' in process.lines[-1]
        assert "last words\n" in process.lines


@pytest.mark.parametrize(("last", "code"), [("1 / 0", 4), ("", 78), ("raise SystemExit", 4)])
def test_a_thread_of_a_module_that_fails_does_not_keep_it(
    tmp_path: Path, last: str, code: int
) -> None:
    """Whatever ends it before the service runs, its code is that failure's."""
    write(
        tmp_path,
        good=f"""{GOOD}
    import threading
    threading.Thread(target=threading.Event().wait, name="sleepy").start()
    {last}
    """,
    )
    done = mainstay("run", "good", "--set", "bad", cwd=tmp_path)
    assert (done.code, done.out) == (code, "")
    assert "Traceback" not in done.err
    assert done.err.endswith('"leaving without threads that do not end: sleepy"}\n')


def test_threads_that_end_are_left_alone(tmp_path: Path) -> None:
    """An idle pool ends with the interpreter as always, and exit functions run."""
    write(
        tmp_path,
        good="""
        import atexit
        from concurrent.futures import ThreadPoolExecutor
        from mainstay import Service
        service = Service("good")
        pool = ThreadPoolExecutor(2)
        pool.submit(print, "pooled")
        atexit.register(print, "exit function")
        """,
    )
    with running("run", "good", cwd=tmp_path) as process:
        process.wait_line("good runs on")
        assert process.end(signal.SIGTERM) == 0
        assert "exit function\n" in process.lines
        assert "leaving without" not in process.text


def test_closed_streams_do_not_end_it(tmp_path: Path) -> None:
    """Without stdin and stdout, as some supervisors start it, it serves and stops all the same."""
    write(tmp_path, good=GOOD)
    closing = ("sh", "-c", 'exec "$0" "$@" <&- >&-', *MAINSTAY)
    with running("run", "good", cwd=tmp_path, program=closing) as process:
        process.wait_line("good runs on")
        assert process.end(signal.SIGTERM) == 0


def test_a_broken_pipe_does_not_end_it(tmp_path: Path) -> None:
    """Whoever reads its logs is gone: it goes on, and stops well."""
    write(
        tmp_path,
        good=GOOD
        + """
    @service.on_start
    async def tell() -> None:
        print("up", flush=True)
    """,
    )
    read, broken = os.pipe()
    os.close(read)
    with running("run", "good", cwd=tmp_path, stderr=broken) as process:
        os.close(broken)
        process.wait_line("up")
        assert process.end(signal.SIGTERM) == 0


ROUTED = """
    from mainstay import Service
    service = Service("good")

    @service.get("/")
    async def index() -> str:
        return "well"
"""


def _get(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as reply:
        return str(reply.read().decode())


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("{port}", "tcp://127.0.0.1:{port}"),
        (":{port}", "tcp://:{port}"),
        ("0.0.0.0:{port}", "tcp://0.0.0.0:{port}"),
        ("tcp://127.0.0.1:{port}", "tcp://127.0.0.1:{port}"),
    ],
)
def test_listen_takes_addresses_as_they_are_typed(tmp_path: Path, written: str, shown: str) -> None:
    """A port alone is this machine's, with a colon every interface's; HTTP is answered there."""
    write(tmp_path, good=ROUTED)
    with (
        held_port() as port,
        running("run", "good", "--listen", written.format(port=port), cwd=tmp_path) as process,
    ):
        assert shown.format(port=port) in process.wait_line("good runs on")
        assert _get(port) == "well"
        assert process.end(signal.SIGTERM) == 0


def test_listen_repeats_and_wins(tmp_path: Path) -> None:
    """TCP and a Unix socket at once, in place of what other layers and --set say."""
    write(tmp_path, good=ROUTED)
    (tmp_path / "good.toml").write_text('[mainstay.http]\nlisten = ["tcp://192.0.2.1:1"]\n')
    path = tmp_path / "good.sock"
    chosen = ("-l", f"unix:{path}", "--set", 'mainstay.http.listen=["fd:99"]')
    with (
        held_port() as port,
        running("run", "good", "-l", str(port), *chosen, cwd=tmp_path) as process,
    ):
        process.wait_line("good runs on")
        assert _get(port) == "well"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert process.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("localhost", "it has no port"),
        ("70000", "a port is at most 65535"),
        ("http://x:80", "http:// is no kind of address"),
        ("::1:80", "an IPv6 address stands in brackets"),
        ("unix:", "it has no path"),
    ],
)
def test_an_address_that_is_none_is_told_before_anything_runs(
    tmp_path: Path, written: str, told: str
) -> None:
    """With the option, the text and what to write instead; the module is not even imported."""
    done = mainstay("run", "nowhere", "--listen", written, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "Invalid value for '-l' / '--listen'" in done.err
    assert told in done.err
    assert "tcp://127.0.0.1:8000" in done.err
    assert "Traceback" not in done.err


def test_listen_without_routes_is_a_mistake(tmp_path: Path) -> None:
    """Nobody would listen there."""
    write(tmp_path, good=GOOD)
    done = mainstay("run", "good", "--listen", "8000", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "good has no routes, so there is nothing to --listen for" in done.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--port", "8000"], "no such option --port; write --listen PORT"),
        (["--host=0.0.0.0"], "no such option --host; say it with the port: --listen HOST:PORT"),
        (["--reload"], "no such option --reload; write --dev"),
        (["--devv"], "--dev"),
    ],
)
def test_options_of_other_servers_are_told_what_they_are_here(
    tmp_path: Path, options: list[str], told: str
) -> None:
    """And are no options all the same."""
    done = mainstay("run", "nowhere", *options, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--daemon",)])
def test_too_few_descriptors_are_one_line(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Said before anything has failed for it, with what to do."""
    write(tmp_path, good=GOOD)
    limited = ("/bin/sh", "-c", 'ulimit -n 12; exec "$@"', "sh", *MAINSTAY)
    done = mainstay("run", "good", *options, cwd=tmp_path, program=limited)
    assert (done.code, done.out) == (3, "")
    (line,) = done.err.splitlines()
    assert line.startswith("Error: this process may have 12 open files")
    assert "ulimit -n" in line
