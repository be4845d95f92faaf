"""Facts about ``mainstay call``, run as a process against servers of this one."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from mainstay.core.call import Call, Handler
from mainstay.errors import Code, RpcError
from mainstay.http.settings import HttpSettings
from mainstay.net.tls import TlsSettings
from mainstay.rpc.settings import RpcSettings
from mainstay.service.service import Service
from mainstay.service.settings import Settings
from tests.cli.world import MAINSTAY, PATIENCE, Done, environment, mainstay, running
from tests.rpc.inspected import address_of, zoo

pytestmark = pytest.mark.real_loop(timeout=2 * PATIENCE)

PROTO = """
syntax = "proto3";
package zoo.v1;
message Animal { string name = 1; }
service Keeper { rpc Feed(Animal) returns (Animal); }
"""


@asynccontextmanager
async def serving(service: Service, **settings: Any) -> AsyncIterator[str]:
    """The address of the running service."""
    http = settings.pop("http", HttpSettings(listen=("tcp://127.0.0.1:0",)))
    async with service.running(settings=Settings(http=http, **settings)) as run:
        yield address_of(run).removeprefix("tls://")


async def call(*arguments: str, cwd: Path, given: str = "") -> Done:
    """Run ``mainstay call`` to its end, with `given` on standard input."""
    return await asyncio.to_thread(_call, arguments, cwd, given)


def _call(arguments: tuple[str, ...], cwd: Path, given: str) -> Done:
    done = subprocess.run(
        [*MAINSTAY, "call", *arguments],
        cwd=cwd,
        env=environment(),
        input=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


async def test_a_server_says_what_it_has(tmp_path: Path) -> None:
    """Services, methods with what they take and give, and any of it as .proto."""
    async with serving(zoo()) as address:
        services = await call(address, "--list", cwd=tmp_path)
        methods = await call(address, "--list", "zoo.v1.Keeper", cwd=tmp_path)
        text = await call(address, "--describe", "zoo.v1.Keeper/Talk", cwd=tmp_path)
    assert (services.code, services.err) == (0, "")
    assert services.out.splitlines()[-1] == "zoo.v1.Keeper"
    assert methods.out.splitlines()[1] == (
        "zoo.v1.Keeper/Watch  (zoo.v1.Animal) returns (stream zoo.v1.Animal)"
    )
    assert text.out == "rpc Talk(stream Animal) returns (stream Animal);\n"


async def test_a_unary_method_takes_one_request(tmp_path: Path) -> None:
    """From the line, a file, or all of standard input; none is an empty one, two are refused."""
    (tmp_path / "ape.json").write_text('{\n  "name": "ape"\n}\n')
    async with serving(zoo()) as address:
        feed = (address, "zoo.v1.Keeper/Feed")
        done = await call(*feed, '{"name": "bär"}', cwd=tmp_path)
        assert done == Done(0, '{"name": "fed bär"}\n', "")
        assert (await call(*feed, "@ape.json", cwd=tmp_path)).out == '{"name": "fed ape"}\n'
        piped = await call(*feed, "-", cwd=tmp_path, given='{"name":\n "cat"}')
        assert piped.out == '{"name": "fed cat"}\n'
        assert (await call(*feed, cwd=tmp_path, given="unread")).out == '{"name": "fed "}\n'
        two = await call(*feed, "{} {}", cwd=tmp_path)
    assert two.code == 2
    assert "takes one request, and DATA has 2" in two.err


async def test_streams_go_both_ways(tmp_path: Path) -> None:
    """Several values on the line, or a line of standard input each; a reply is a line."""
    lines = '{"name": "a"}\n\n{"name": "b"}'
    async with serving(zoo()) as address:
        watched = await call(address, "zoo.v1.Keeper/Watch", '{"name": "x"}', cwd=tmp_path)
        counted = await call(address, "zoo.v1.Keeper.Count", cwd=tmp_path, given=lines)
        talked = await call(
            address, "/zoo.v1.Keeper/Talk", '{"name": "a"}{"name": "b"}', cwd=tmp_path
        )
    assert watched.out == '{"name": "x 0"}\n{"name": "x 1"}\n{"name": "x 2"}\n'
    assert counted.out == '{"name": "a, b"}\n'
    assert talked.out == '{"name": "A"}\n{"name": "B"}\n'


async def test_a_conversation_goes_line_by_line(tmp_path: Path) -> None:
    """Each line is sent as it comes, and its reply is there before the next one is written."""
    async with serving(zoo()) as address:
        await asyncio.to_thread(_converse, address, tmp_path)


def _converse(address: str, cwd: Path) -> None:
    arguments = ("call", address, "zoo.v1.Keeper/Talk")
    with running(*arguments, cwd=cwd, stdin=subprocess.PIPE) as process:
        given = process.process.stdin
        assert given is not None
        for word in ("one", "two"):
            given.write(f'{{"name": "{word}"}}\n')
            given.flush()
            assert process.wait_line(word.upper()) == f'{{"name": "{word.upper()}"}}\n'
        given.close()
        assert process.end() == 0


async def test_an_error_of_the_server_is_readable(tmp_path: Path) -> None:
    """Exit code 5, the name of the code first, details as JSON; nothing moves the cursor."""
    async with serving(zoo()) as address:
        done = await call(address, "zoo.v1.Keeper/Lose", cwd=tmp_path)
    assert (done.code, done.out) == (5, "")
    assert done.err.splitlines() == [
        r"Error: NOT_FOUND: it ran\naway",
        '  google.rpc.ErrorInfo {"reason": "LOST", "domain": "zoo"}',
        "  google.rpc.Help {}",
    ]


async def test_a_server_that_is_not_there_has_a_code_of_its_own(tmp_path: Path) -> None:
    """Scripts can tell it from a server that answers with UNAVAILABLE."""
    with_nobody = await call("127.0.0.1:1", "zoo.v1.Keeper/Feed", cwd=tmp_path)
    assert with_nobody.code == 6
    assert "127.0.0.1:1" in with_nobody.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["zoo.v1.Keeper/Fed"], "did you mean Feed?"),
        (["zoo.v1.Keper/Feed"], "did you mean zoo.v1.Keeper?"),
        (["Feed"], "pkg.Service/Method"),
        (["zoo.v1.Keeper/Feed", '{"nam": 1}'], 'no field named "nam"'),
        (["zoo.v1.Keeper/Talk", '{"name": "a"} {"nam": 1}'], 'no field named "nam"'),
        (["zoo.v1.Keeper/Feed", "{"], "DATA is no JSON"),
        (["zoo.v1.Keeper/Feed", "[]"], "JSON object"),
        (["zoo.v1.Keeper/Feed", "@nope.json"], "nope.json cannot be read"),
        (["zoo.v1.Keeper/Feed", "-H", "novalue"], "'name: value'"),
        (["zoo.v1.Keeper/Feed", "-H", "x-bin: ?"], "base64"),
        (["--describe", "zoo.v1.Nobody"], "does not describe zoo.v1.Nobody"),
        ([], "--list or --describe"),
        (["zoo.v1.Keeper/Feed", "--list"], "--list or --describe"),
    ],
)
async def test_wrong_usage_says_what_is_wrong(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    """Exit code 2, one message, no traceback."""
    async with serving(zoo()) as address:
        done = await call(address, *arguments, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err


async def test_files_take_the_place_of_reflection(tmp_path: Path) -> None:
    """A server that does not say what it has is called with --proto; without, that is advised."""
    (tmp_path / "zoo.proto").write_text(PROTO)
    async with serving(zoo(), rpc=RpcSettings(reflection=False)) as address:
        feed = (address, "zoo.v1.Keeper/Feed", '{"name": "ape"}')
        blind = await call(*feed, cwd=tmp_path)
        done = await call(*feed, "--proto", "zoo.proto", cwd=tmp_path)
        listed = await call(address, "--proto", "zoo.proto", "--list", cwd=tmp_path)
    assert blind.code == 2
    assert "--proto FILE" in blind.err
    assert done == Done(0, '{"name": "fed ape"}\n', "")
    assert listed.out == "zoo.v1.Keeper\n"


async def test_metadata_and_the_deadline_are_sent(tmp_path: Path) -> None:
    """Values of -bin names are base64, with or without its padding."""
    seen: list[Any] = []

    async def look(call: Call, next: Handler) -> Any:
        metadata = call.scope.metadata
        seen.append((metadata.get("x-user"), metadata.get("x-raw-bin"), call.scope.remaining()))
        return await next(call)

    service = zoo()
    service.declaration.middleware.append(look)
    async with serving(service) as address:
        headers = ("-H", "X-User: me", "--metadata", "x-raw-bin: AAE", "--timeout", "600")
        done = await call(address, "zoo.v1.Keeper/Feed", *headers, cwd=tmp_path)
    assert done.code == 0
    ((user, raw, remaining),) = seen
    assert user == "me"
    assert raw in ("AAE", b"\x00\x01")
    assert 0 < remaining <= 600


@pytest.mark.parametrize("method", ["Feed", "Watch", "Count", "Lose"])
async def test_metadata_of_the_reply_is_shown_when_asked_for(tmp_path: Path, method: str) -> None:
    """On stderr, bytes in base64, what came first before what came last."""

    async def decorate(call: Any, next: Handler) -> Any:
        call.initial_metadata.append(("x-first", "1"))
        call.trailing_metadata.append(("x-last-bin", b"\x00\x01"))
        return await next(call)

    service = zoo()
    service.declaration.middleware.append(decorate)
    async with serving(service) as address:
        done = await call(address, f"zoo.v1.Keeper/{method}", "{}", "-v", cwd=tmp_path)
        quiet = await call(address, f"zoo.v1.Keeper/{method}", "{}", cwd=tmp_path)
    said = [line for line in done.err.splitlines() if line.startswith("x-")]
    assert said == ["x-first: 1", "x-last-bin: AAE="]
    assert "x-first" not in quiet.err
    assert done.out == quiet.out


async def test_metadata_of_a_stream_that_fails_is_shown_once(tmp_path: Path) -> None:
    """What came first before the replies, what came last after them."""

    async def fail(call: Any, next: Handler) -> Any:
        call.initial_metadata.append(("x-first", "1"))
        await next(call)
        raise RpcError(Code.ABORTED, "no more", trailers=[("x-last", "2")])

    service = zoo()
    service.declaration.middleware.append(fail)
    async with serving(service) as address:
        done = await call(address, "zoo.v1.Keeper/Watch", "{}", "-v", cwd=tmp_path)
    assert done.out.count("\n") == 3
    assert done.err.splitlines() == ["x-first: 1", "x-last: 2", "Error: ABORTED: no more"]


async def test_ctrl_c_cancels_the_call(tmp_path: Path) -> None:
    """Exit code 130, and the server's handler hears of it."""
    cancelled = asyncio.Event()
    service = zoo()

    async def hold(call: Call, next: Handler) -> Any:
        try:
            return await next(call)
        except BaseException:
            if call.method.endswith("Talk") and call.scope.cancelled:
                cancelled.set()
            raise

    service.declaration.middleware.append(hold)
    async with serving(service) as address:
        code = await asyncio.to_thread(_interrupted, address, tmp_path)
        await asyncio.wait_for(cancelled.wait(), PATIENCE)
    assert code == 130


def _interrupted(address: str, cwd: Path) -> int:
    arguments = ("call", address, "zoo.v1.Keeper/Talk")
    with running(*arguments, cwd=cwd, stdin=subprocess.PIPE) as process:
        given = process.process.stdin
        assert given is not None
        given.write('{"name": "a"}\n')
        given.flush()
        process.wait_line("A")
        code = process.end(signal.SIGINT)
        given.close()
        return code


async def test_a_call_that_ends_does_not_wait_for_its_input(tmp_path: Path) -> None:
    """Nobody types any more into a call whose time is over."""
    async with serving(zoo()) as address:
        code, text = await asyncio.to_thread(_given_up, address, tmp_path)
    assert code == 5
    assert "DEADLINE_EXCEEDED" in text


def _given_up(address: str, cwd: Path) -> tuple[int, str]:
    arguments = ("call", address, "zoo.v1.Keeper/Talk", "--timeout", "0.3")
    with running(*arguments, cwd=cwd, stdin=subprocess.PIPE) as process:
        code = process.end()
        assert process.process.stdin is not None
        process.process.stdin.close()
        return code, process.text


async def test_tls_is_spoken_with_certificates_or_without_looking(tmp_path: Path) -> None:
    """Both sides' certificates; --insecure-tls trusts anybody; an unknown authority is refused."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name, issued in (
        ("server", authority.issue_cert("127.0.0.1")),
        ("client", authority.issue_cert("me@example.org")),
    ):
        issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    tls = TlsSettings(certificate=str(tmp_path / "server.pem"))
    http = HttpSettings(listen=("tcp://127.0.0.1:0",), tls=tls)
    async with serving(zoo(), http=http) as address:
        feed = (address, "zoo.v1.Keeper/Feed")
        trusted = await call(*feed, "--cacert", "ca.pem", "--cert", "client.pem", cwd=tmp_path)
        anybody = await call(*feed, "--insecure-tls", cwd=tmp_path)
        refused = await call(*feed, "--tls", cwd=tmp_path)
    assert (trusted.code, trusted.err) == (0, "")
    assert (anybody.code, anybody.err) == (0, "")
    assert refused.code == 6
    assert "certificate" in refused.err


async def test_methods_are_completed_by_asking_the_server(tmp_path: Path) -> None:
    """What a shell asks for at the second word; no server is no completion."""
    async with serving(zoo()) as address:
        words = f"mainstay call {address} zoo.v1.Keeper/W"
        done = await asyncio.to_thread(_complete, words, tmp_path)
        nobody = await asyncio.to_thread(_complete, "mainstay call 127.0.0.1:1 zoo", tmp_path)
    assert done.out.splitlines() == ["plain,zoo.v1.Keeper/Watch"]
    assert (nobody.out.strip(), nobody.err) == ("", "")


def _complete(words: str, cwd: Path) -> Done:
    """What a shell asks for at the end of `words`, with the time that a busy machine takes."""
    patient = f"from mainstay.cli import call; call._GLANCE = {PATIENCE}; {MAINSTAY[-1]}"
    env = {"_MAINSTAY_COMPLETE": "bash_complete", "COMP_CWORD": "3", "COMP_WORDS": words}
    return mainstay(cwd=cwd, env=env, program=(*MAINSTAY[:-1], patient))


@pytest.mark.parametrize(
    ("absent", "package"),
    [("google", "protobuf"), ("google.rpc", "googleapis-common-protos")],
)
def test_what_is_not_installed_is_named(absent: str, package: str, tmp_path: Path) -> None:
    """Protobuf alone, as it comes with grpcio-tools, is not enough."""
    code = f"import sys; sys.modules[{absent!r}] = None; from mainstay.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "call", "127.0.0.1:1", "--list"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    said = f"Error: {package} is not installed; pip install 'mainstay[grpc]'\n"
    assert (done.returncode, done.stderr) == (1, said)
