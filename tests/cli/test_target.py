"""Facts about MODULE:NAME: what it finds, and that each way to get it wrong is one clear message."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest

from mainstay.cli.exits import Exit
from mainstay.cli.target import NotImported, find_service, target_options
from tests.cli.world import GOOD, MAINSTAY, Done, mainstay, write

WORLD = {
    "good": GOOD,
    "shop/__init__": "",
    "shop/sub/__init__": "",
    "shop/sub/app": GOOD,
    "two": """
        from mainstay import Service
        a = Service("a")
        b = Service("b")
        """,
    "alias": """
        from good import service
        app = service
        """,
    "plain": """
        number = 3
        def make(): ...
        """,
    "factory": """
        from mainstay import Service

        def make():
            return Service("made")

        def fails():
            raise ValueError("no luck")

        def number():
            return 3

        async def slow(): ...

        def picky(which): ...

        class Holder:
            service = Service("held")
        """,
    "needs": """
        import json

        import dependency_that_is_gone
        """,
    "syntax": """
        one = 1
        def f(:
        """,
    "imports_syntax": "import syntax",
    "raises": """
        import json

        def one(): two()
        def two(): three()
        def three(): json.loads("{")

        one()
        """,
    "exits": "raise SystemExit('bye')",
    "runs": """
        from mainstay import Service
        service = Service("runs")
        service.run()
        """,
    "odd": "raise BaseException",
    "misnamed": """
        from mainstay import Service
        service = Service("Bad Name")
        """,
    "lazy": """
        def __getattr__(name):
            raise ImportError(f"{name} wants an extra")
        """,
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write(folder, **WORLD)
    return folder


def wrong(world: Path, target: str, code: int = 4) -> str:
    """The message, which is all that is said."""
    done = mainstay("check", target, cwd=world)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("Error: ")
    assert "Traceback" not in done.err
    assert str(Path(__file__).parents[2] / "src") not in done.err
    return done.err.removeprefix("Error: ").removesuffix("\n")


NOTHING = "  it answers nothing: no handler, route, method of RPC or server was added to it\n"


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("good", "good"),
        ("good:", "good"),
        ("good:service", "good"),
        ("alias", "good"),
        ("two:b", "b"),
        ("shop.sub.app", "good"),
        ("shop.sub.app:service", "good"),
        ("factory:make()", "made"),
        ("factory:Holder.service", "held"),
    ],
)
def test_a_service_is_found(world: Path, target: str, name: str) -> None:
    """By its name, as the only one in its module, or made by a factory; from the working
    directory, which is not on the interpreter's own path."""
    assert mainstay("check", target, cwd=world) == Done(0, f"{name} is well\n{NOTHING}", "")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("good.py", "'good.py' is a file; name the module as Python imports it: good"),
        ("./good.py", "'./good.py' is a file; name the module as Python imports it: good"),
        (
            "shop/sub/app.py:service",
            (
                "'shop/sub/app.py' is a file; name the module as Python imports it: "
                "shop.sub.app:service"
            ),
        ),
        (
            "/srv/other.py",
            (
                "'/srv/other.py' is a file; name the module as Python imports it, from the folder it "
                "is imported from, such as other"
            ),
        ),
        ("", "'' is no module name; say MODULE:NAME, such as shop.app:service"),
        (":service", "'' is no module name; say MODULE:NAME, such as shop.app:service"),
        ("my-shop", "'my-shop' is no module name; say MODULE:NAME, such as shop.app:service"),
        ("xyzzy", "there is no module 'xyzzy' in {world} or among those installed"),
        (
            "goood:service",
            "there is no module 'goood' in {world} or among those installed; did you mean good?",
        ),
        (
            "shop.sub.ap",
            (
                "there is no module 'shop.sub.ap' in {world} or among those installed; "
                "did you mean shop.sub.app?"
            ),
        ),
        (
            "shop.sub.app.service",
            (
                "there is no module 'shop.sub.app.service' in {world} or among those installed; "
                "did you mean shop.sub.app:service?"
            ),
        ),
    ],
)
def test_a_module_that_is_none(world: Path, target: str, message: str) -> None:
    """Files, names that cannot be, and names that are not there; with what was meant, if near."""
    assert wrong(world, target) == message.format(world=world)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "needs",
            (
                "cannot import 'needs': ModuleNotFoundError: No module named "
                "'dependency_that_is_gone'\n  {world}/needs.py:4: import dependency_that_is_gone"
            ),
        ),
        (
            "syntax",
            "cannot import 'syntax': SyntaxError: invalid syntax\n  {world}/syntax.py:3: def f(:",
        ),
        (
            "imports_syntax",
            (
                "cannot import 'imports_syntax': SyntaxError: invalid syntax\n"
                "  {world}/imports_syntax.py:1: import syntax\n  {world}/syntax.py:3: def f(:"
            ),
        ),
        (
            "exits",
            (
                "cannot import 'exits': it exits, with 'bye'; keep that under "
                "`if __name__ == '__main__':`\n  {world}/exits.py:1: raise SystemExit('bye')"
            ),
        ),
        ("odd", "cannot import 'odd': BaseException\n  {world}/odd.py:1: raise BaseException"),
        (
            "lazy:service",
            (
                "lazy:service failed: ImportError: service wants an extra\n"
                '  {world}/lazy.py:3: raise ImportError(f"{{name}} wants an extra")'
            ),
        ),
        (
            "factory:fails()",
            (
                "factory:fails() failed: ValueError: no luck\n"
                '  {world}/factory.py:8: raise ValueError("no luck")'
            ),
        ),
        (
            "factory:picky()",
            (
                "factory:picky() failed: TypeError: picky() missing 1 required positional argument: "
                "'which'"
            ),
        ),
    ],
)
def test_a_module_that_fails(world: Path, target: str, message: str) -> None:
    """The error, and the user's own lines that led to it: no frame of ours or of the import
    system's."""
    assert wrong(world, target) == message.format(world=world)


def test_only_the_last_frames_of_the_user_are_shown(world: Path) -> None:
    """Three at most, those nearest to the failure, none of the library that raised it."""
    first, *places = wrong(world, "raises").splitlines()
    assert first.startswith("cannot import 'raises': JSONDecodeError: ")
    assert [place.split(": ", 1)[1] for place in places] == [
        "def one(): two()",
        "def two(): three()",
        'def three(): json.loads("{")',
    ]


def test_what_is_declared_wrongly_is_wrong_usage(world: Path) -> None:
    """An error of mainstay's at the import is shown as such, with the line at fault."""
    message = wrong(world, "misnamed", code=2)
    assert message.startswith("cannot import 'misnamed': 'Bad Name' cannot name a service")
    assert message.endswith(f'\n  {world}/misnamed.py:3: service = Service("Bad Name")')


def test_a_module_that_runs_its_service_is_not_waited_for(world: Path) -> None:
    """It would never let go of whoever imports it, so it is told where that belongs."""
    message = wrong(world, "runs", code=2)
    assert message.startswith("cannot import 'runs': run() would run the service while its module")
    assert message.endswith(f"`if __name__ == '__main__':`\n  {world}/runs.py:4: service.run()")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("good:servce", "good ({world}/good.py) has no 'servce'; did you mean good:service?"),
        ("good:x", "good ({world}/good.py) has no 'x'; say good:service"),
        ("plain:mak", "plain ({world}/plain.py) has no 'mak'; did you mean plain:make?"),
        ("plain", "plain ({world}/plain.py) has no Service"),
        ("two", "two ({world}/two.py) has more than one Service; say two:a or two:b"),
        ("two:c", "two ({world}/two.py) has no 'c'; say two:a or two:b"),
        ("plain:number", "plain:number is of type int, not a Service"),
        ("good:Service", "good:Service is of type type, not a Service; say good:service"),
        (
            "factory:make",
            "factory:make is of type function, not a Service; to call it, say factory:make()",
        ),
        ("factory:number()", "factory:number() is of type int, not a Service"),
        (
            "factory:slow()",
            "factory:slow() is a coroutine, not a Service; make the factory a plain function",
        ),
    ],
)
def test_a_name_that_is_no_service(world: Path, target: str, message: str) -> None:
    """The message says what there is instead, and how to say it."""
    assert wrong(world, target) == message.format(world=world)


def test_a_module_of_the_same_name_is_shown_with_its_file(world: Path) -> None:
    """Whoever's own module hides behind one of the standard library sees which was found."""
    assert wrong(world, "json") == f"json ({sys.modules['json'].__file__}) has no Service"


def test_every_command_about_a_service_finds_it_alike(world: Path) -> None:
    """`run` and `config` have the same message as `check`."""
    told = [mainstay(name, "good:servce", cwd=world) for name in ("check", "run", "config")]
    assert told[0] == told[1] == told[2]


def test_the_installed_application_sees_its_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An application in site-packages has no other frames: they are shown, not filtered out."""
    package = tmp_path / "site-packages"
    write(package, installed_app="import gone_for_good")
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(package))
    monkeypatch.syspath_prepend(package)
    with pytest.raises(NotImported, match=r"installed_app\.py:1: import gone_for_good") as caught:
        find_service("installed_app")
    assert caught.value.exit_code == Exit.NOT_IMPORTED


def test_modules_complete(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules and packages of the working directory, then those in the package begun."""
    monkeypatch.chdir(world)

    @click.command
    @target_options
    def command(target: str, files: object, flags: object) -> None: ...

    (argument,) = (each for each in command.params if each.name == "target")
    context = click.Context(command)

    def complete(begun: str) -> list[str]:
        return [item.value for item in argument.shell_complete(context, begun)]

    assert complete("") == sorted({name.partition("/")[0] for name in WORLD})
    assert complete("s") == ["shop", "syntax"]
    assert complete("shop.") == ["shop.sub"]
    assert complete("shop.sub.a") == ["shop.sub.app"]
    assert complete("nothing.") == []


@pytest.mark.parametrize("command", ["run", "check", "config", "run --dev"])
def test_a_working_directory_that_is_gone_is_one_line(tmp_path: Path, command: str) -> None:
    """Removed under the shell that starts the command: nothing can be imported from there."""
    gone = tmp_path / "gone"
    gone.mkdir()
    program = ("sh", "-c", 'rmdir "$PWD" && exec "$0" "$@"', *MAINSTAY)
    done = mainstay(*command.split(), "good", cwd=gone, program=program)
    assert (done.code, done.out) == (4, "")
    assert done.err == (
        "Error: the working directory cannot be had: No such file or directory;"
        " change to another one\n"
    )
