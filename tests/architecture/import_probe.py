"""A program that imports modules, each in a fresh process, and says what that did to the world.

    python import_probe.py SOURCE_FOLDER PACKAGE MODULE<FIRST...

It is run as a script and depends on nothing of the project. It forks once for each module, after
importing what is heavy in the standard library, so that a fresh process costs milliseconds. Where
FIRST is not empty, it is a module that MODULE imports itself, and the process is forked from the
one that has imported that and nothing else. Prints one line for each deed: the module imported, a
tab, what was done.
"""

import _thread
import asyncio  # noqa: F401 - so that no child has to
import importlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

WATCHED = ("socket.", "subprocess.Popen", "os.fork", "os.system", "os.exec", "os.posix_spawn")

# The modules between one who asks for a variable and the mapping that answers.
LOOKING_THINGS_UP = ("os", "collections.abc", "_collections_abc")


def environment_reads(folder: str, report: Callable[[str], None]) -> None:
    """Report each look at the environment by a module under `folder`."""
    inherited = os.environ.__class__

    class Watched(inherited):  # type: ignore[misc, valid-type]
        def __getitem__(self, key: str) -> str:
            self._tell(key)
            return str(super().__getitem__(key))

        def __contains__(self, key: object) -> bool:
            self._tell(key)
            return bool(super().__contains__(key))

        def __iter__(self) -> Any:
            self._tell("everything")
            return super().__iter__()

        def _tell(self, key: object) -> None:
            frame = sys._getframe(2)
            while frame.f_back and frame.f_globals.get("__name__") in LOOKING_THINGS_UP:
                frame = frame.f_back
            if frame.f_code.co_filename.startswith(folder):
                report(f"reads the environment: {key}")

    os.environ.__class__ = Watched


def thread_starts(report: Callable[[str], None]) -> None:
    """Report each thread started, by whichever way."""
    for name in ("start_new_thread", "start_joinable_thread"):
        for place in (_thread, sys.modules["threading"]):
            for attribute in (name, f"_{name}"):
                original = getattr(place, attribute, None)
                if original:
                    setattr(place, attribute, _reporting(original, report))


def _reporting(original: Callable[..., Any], report: Callable[[str], None]) -> Callable[..., Any]:
    def start(*arguments: Any, **named: Any) -> Any:
        report("starts a thread")
        return original(*arguments, **named)

    return start


def handlers() -> set[logging.Handler]:
    """Every logging handler that any logger has."""
    root = logging.getLogger()
    loggers = [root, *root.manager.loggerDict.values()]
    return {handler for each in loggers for handler in getattr(each, "handlers", ())}


def signal_handlers() -> dict[int, object]:
    """What each signal does."""
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def watch(folder: str, report: Callable[[str], None]) -> None:
    """Report what this process and those forked from it do, and the modules under `folder`."""

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(WATCHED):
            report(f"does {event}")

    environment_reads(folder, report)
    thread_starts(report)
    sys.addaudithook(audit)


def imported(name: str, deeds: list[str]) -> list[str]:
    """Import the module and list what that did; `deeds` is where the watchers write."""
    before = handlers(), signal_handlers()
    deeds.clear()
    try:
        importlib.import_module(name)
    except BaseException:
        deeds.append(f"does not import: {traceback.format_exc(limit=-1).splitlines()[-1]}")
    found = list(deeds)
    if handlers() - before[0]:
        found.append("installs a logging handler")
    if signal_handlers() != before[1]:
        found.append("installs a signal handler")
    return found


def visit(after: dict[str, list[str]], first: str, deeds: list[str]) -> None:
    """Fork for each module after `first`, one after the other, and print what its import did."""
    for name in after.get(first, ()):
        child = os.fork()
        if child == 0:
            for deed in imported(name, deeds):
                print(f"{name}\t{deed}", flush=True)
            visit(after, name, deeds)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            print(f"{name}\tends its process", flush=True)


def main(source: str, package: str, names: list[str]) -> None:
    """Import each of the modules."""
    sys.path.insert(0, source)
    after: dict[str, list[str]] = {}
    for each in names:
        name, _, first = each.partition("<")
        after.setdefault(first, []).append(name)
    deeds: list[str] = []
    watch(os.path.join(source, package) + os.sep, deeds.append)
    visit(after, "", deeds)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
