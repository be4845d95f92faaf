"""Threads: a bounded pool of daemons, with the caller's scope carried along."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from mainstay.core.group import Group
from mainstay.core.metadata import Metadata
from mainstay.core.scope import Key, Scope
from mainstay.core.threads import THREADS, ThreadPool, to_thread
from mainstay.errors import Cancelled, ClosedError, DeadlineExceeded, NotFound, UsageError
from tests.core.conftest import PATIENCE
from tests.core.moments import about, me, nothing_left, now, turns

USER: Key[str] = Key("user")


@contextmanager
def pool_of(limit: int) -> Iterator[ThreadPool]:
    pool = ThreadPool(limit)
    try:
        yield pool
    finally:
        pool.shutdown()


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again, for a while."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0)


# --- to_thread ------------------------------------------------------------------------------------


async def test_the_function_runs_in_another_thread_with_its_arguments() -> None:
    """What it returns is returned; positions and names are passed on."""

    def work(a: int, /, b: int, *, c: int) -> tuple[int, int, int, int]:
        return a, b, c, threading.get_ident()

    with nothing_left():
        *rest, thread = await to_thread(work, 1, 2, c=3)
    assert rest == [1, 2, 3]
    assert thread != threading.get_ident()


async def test_the_function_sees_the_scope_of_its_caller() -> None:
    """Deadline, values, metadata and context variables, in a child scope named after it."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    def work() -> None:
        scope = Scope.current()
        assert scope.parent is caller
        assert scope.name.endswith("work")
        assert scope.deadline == caller.deadline
        assert scope.get(USER) == "ann"
        assert scope.metadata.get("x-request-id") == "7"
        assert variable.get() == "set by the caller"
        with Scope("inside", timeout=1) as inside:
            assert Scope.current() is inside
            assert inside.remaining() == 1
        assert Scope.current() is scope
        variable.set("set in the thread")

    with Scope("caller", timeout=5, metadata=Metadata([("x-request-id", "7")])) as caller:
        caller.set(USER, "ann")
        variable.set("set by the caller")
        await to_thread(work)
        assert variable.get() == "set by the caller"
        assert caller.children() == []


def test_without_a_scope_the_function_has_one_of_its_own() -> None:
    """Outside of services and scopes it works as well, and has no parent."""

    async def main() -> tuple[Scope | None, float]:
        scope = await to_thread(Scope.current)
        return scope.parent, scope.remaining()

    assert asyncio.run(main()) == (None, float("inf"))


async def test_an_error_of_the_function_is_the_callers() -> None:
    """It is the very error, and its traceback shows the function."""
    error = NotFound("no such file")

    def work() -> None:
        raise error

    with nothing_left(), pytest.raises(NotFound) as caught:
        await to_thread(work)
    assert caught.value is error
    assert caught.traceback[-1].name == "work"


async def test_a_stop_iteration_becomes_a_runtime_error() -> None:
    """A future cannot carry it: without this the caller would wait for ever."""

    def work() -> None:
        next(iter([]))

    with nothing_left(), pytest.raises(RuntimeError, match="work raised StopIteration") as caught:
        await to_thread(work)
    assert isinstance(caught.value.__cause__, StopIteration)


async def test_a_base_exception_of_the_function_is_the_callers() -> None:
    """Errors that are no Exception come out as well, and the thread lives on."""

    class Ending(BaseException):
        pass

    def work() -> None:
        raise Ending

    with nothing_left(), pytest.raises(Ending):
        await to_thread(work)
    assert await to_thread(lambda: 1) == 1


async def test_sleep_in_a_thread_takes_its_time() -> None:
    """Seconds of the clock that deadlines are on; on the loop's own thread it is refused."""

    def work() -> None:
        Scope.current().sleep(2)
        Scope.current().sleep(0)

    await to_thread(work)
    assert now() == pytest.approx(2)
    with pytest.raises(UsageError, match=r"await asyncio\.sleep"):
        Scope.current().sleep(1)


async def test_an_endless_sleep_ends_with_the_scope() -> None:
    """Infinity waits for the cancellation, and several sleeps may follow one another."""

    def work() -> None:
        Scope.current().sleep(0.5)
        Scope.current().sleep(float("inf"))

    with nothing_left(), pytest.raises(Cancelled, match="enough"), Scope() as scope:
        asyncio.get_running_loop().call_later(2, scope.cancel, "enough")
        await to_thread(work)
    assert now() == about(2)


@pytest.mark.real_loop
async def test_an_endless_sleep_is_possible_in_real_time() -> None:
    """The operating system's waits have a longest time; "until I am told" is none."""
    with pytest.raises(Cancelled), Scope() as scope:
        asyncio.get_running_loop().call_later(0.01, scope.cancel)
        await to_thread(lambda: Scope.current().sleep(float("inf")))


async def test_a_deadline_inside_of_the_thread_is_its_own() -> None:
    """A scope opened by the function limits its sleeps; the caller's goes on."""

    def work() -> str:
        with suppress(DeadlineExceeded), Scope("inside", timeout=1) as inside:
            inside.sleep(5)
        Scope.current().sleep(1)
        return "went on"

    with nothing_left(), Scope(timeout=9):
        assert await to_thread(work) == "went on"
    assert now() == pytest.approx(2)


async def test_the_function_learns_the_cause() -> None:
    """`check` and `sleep` raise what the caller was cancelled with, not something general."""
    cause = NotFound("the file has been deleted")
    seen: list[BaseException] = []

    def work() -> None:
        try:
            Scope.current().sleep(60)
        except NotFound as error:
            seen.append(error)
            raise

    with nothing_left(), pytest.raises(NotFound), Scope() as scope:
        asyncio.get_running_loop().call_later(1, scope.cancel, cause)
        await to_thread(work)
    assert seen == [cause]


async def test_a_task_cancelled_by_others_ends_its_thread() -> None:
    """`Task.cancel` reaches the function as `Cancelled`, and the task ends as cancelled."""
    seen: list[str] = []

    def work() -> None:
        try:
            Scope.current().sleep(60)
        except Cancelled as error:
            seen.append(str(error))
            raise

    task = asyncio.create_task(to_thread(work))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert len(seen) == 1
    assert "whoever called" in seen[0]


@pytest.mark.real_loop
async def test_a_caller_cancelled_twice_leaves_nothing_unretrieved() -> None:
    """The second cancellation, within the grace, gives up on the thread at once; what the function
    raises later is nobody's news, and no warning."""
    release = threading.Event()
    begun = threading.Event()

    def work() -> None:
        begun.set()
        release.wait(PATIENCE)
        raise NotFound("too late")

    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    task = asyncio.create_task(to_thread(work))
    await asyncio.to_thread(begun.wait, PATIENCE)
    task.cancel()
    await turns()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    release.set()
    await asyncio.to_thread(lambda: None)
    await turns(5)
    del task
    gc.collect()
    assert failures == []


@pytest.mark.real_loop
@pytest.mark.usefixtures("patient_callers")
async def test_a_function_that_ends_within_the_grace_is_waited_for() -> None:
    """So that what it holds is released before its caller goes on."""
    ended = threading.Event()

    def work() -> None:
        scope.cancel()
        with suppress(Cancelled):
            Scope.current().sleep(60)
        ended.set()

    with pytest.raises(Cancelled), Scope() as scope:
        await to_thread(work)
    assert ended.is_set()


@pytest.mark.real_loop
async def test_a_function_left_behind_keeps_its_scope_in_the_tree_until_it_ends() -> None:
    """It still learns what happens above; when it has ended, nothing of its caller stays."""
    here = Scope.current()
    release = threading.Event()

    def work() -> None:
        caller.cancel("now that it has begun")
        release.wait(PATIENCE)

    with pool_of(1) as pool, Scope("service") as service:
        service.set(THREADS, pool)
        with pytest.raises(Cancelled, match="begun"), Scope("caller") as caller:
            await to_thread(work)
        assert [each.name for each in service.children()] == ["caller"]
        release.set()
        while service.children():  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0)
    assert here.children() == []


@pytest.mark.real_loop
async def test_work_cancelled_in_the_queue_never_runs() -> None:
    """A function that waits for a thread is dropped with its caller."""
    ran: list[str] = []
    release = threading.Event()
    with pool_of(1) as pool, Scope() as scope:
        scope.set(THREADS, pool)
        blocker = asyncio.create_task(to_thread(release.wait, PATIENCE))
        await turns()
        with pytest.raises(DeadlineExceeded), Scope(timeout=0.01):
            await to_thread(ran.append, "the cancelled")
        release.set()
        assert await blocker
        await to_thread(ran.append, "the next")
    assert ran == ["the next"]


# --- the pool -------------------------------------------------------------------------------------


@pytest.mark.real_loop
async def test_the_bound_holds() -> None:
    """No more than so many functions at a time; the others wait in order."""
    running = most = 0
    lock = threading.Lock()
    order: list[int] = []
    full = threading.Barrier(3)

    def work(number: int) -> None:
        nonlocal running, most
        with lock:
            order.append(number)
            running += 1
            most = max(most, running)
        # Three at a time get through, in sixes: two rounds of the barrier.
        full.wait(PATIENCE)
        with lock:
            running -= 1

    with pool_of(3) as pool, Scope() as scope:
        scope.set(THREADS, pool)
        async with Group() as group:
            for number in range(6):
                group.start(to_thread(work, number))
    assert most == 3
    assert sorted(order[:3]) == [0, 1, 2]


def test_a_limit_below_one_is_refused() -> None:
    """Nothing could ever run."""
    with pytest.raises(UsageError, match="at least one thread, not 0"):
        ThreadPool(0)


def test_threads_are_started_as_needed_and_used_again() -> None:
    """One after the other needs one thread; the next is idle and taken before a new one."""
    before = set(threading.enumerate())
    with pool_of(5) as pool:
        threads = {pool.submit(threading.current_thread).result(PATIENCE) for _ in range(20)}
        assert len(threads) == 1
        # Whatever other tests have left may have ended meanwhile.
        assert set(threading.enumerate()) - before == threads
        assert next(iter(threads)).name.startswith("mainstay-thread")


def test_work_never_waits_while_a_thread_may_be_started() -> None:
    """However quickly it is submitted, and from wherever: work that needs one another runs at a
    time, as long as the limit allows it."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(300):
            with pool_of(4) as pool:
                pool.submit(int).result(PATIENCE)
                for _ in range(3):
                    meeting = threading.Barrier(4)
                    futures = [pool.submit(meeting.wait, PATIENCE) for _ in range(4)]
                    assert sorted(each.result(PATIENCE) for each in futures) == [0, 1, 2, 3]
    finally:
        sys.setswitchinterval(interval)


def test_statistics_name_what_runs() -> None:
    """The limit, the functions at work, and how many wait."""
    release, begun = threading.Event(), threading.Event()

    def crunch_numbers() -> None:
        begun.set()
        release.wait(PATIENCE)

    with pool_of(1) as pool:
        busy = pool.submit(crunch_numbers)
        waiting = pool.submit(crunch_numbers)
        assert begun.wait(PATIENCE)
        told = pool.statistics()
        assert told.limit == 1
        assert [name.rpartition(".")[2] for name in told.running] == ["crunch_numbers"]
        assert told.queued == 1
        release.set()
        busy.result(PATIENCE)
        waiting.result(PATIENCE)
        wait_until(lambda: pool.statistics().running == ())


async def test_statistics_name_the_function_and_not_the_wrapping() -> None:
    """What was given to `to_thread`, here and by asyncio, is what an operator reads."""

    def crunch_numbers() -> tuple[str, ...]:
        return pool.statistics().running

    with pool_of(1) as pool, Scope() as scope:
        scope.set(THREADS, pool)
        [ours] = await to_thread(crunch_numbers)
        asyncio.get_running_loop().set_default_executor(pool)
        [asyncios] = await asyncio.to_thread(crunch_numbers)
    assert ours.endswith("crunch_numbers")
    assert asyncios.endswith("crunch_numbers")


def test_after_the_shutdown_nothing_is_taken() -> None:
    """Work that waits is dropped, work that runs goes on, and nobody waits for it."""
    release, begun = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        release.wait(PATIENCE)
        return "done"

    pool = ThreadPool(1)
    busy, waiting = pool.submit(work), pool.submit(work)
    assert begun.wait(PATIENCE)
    pool.shutdown(wait=True)
    pool.shutdown()
    assert waiting.cancelled()
    with pytest.raises(ClosedError, match="the thread pool is closed"):
        pool.submit(work)
    assert not busy.done()
    release.set()
    assert busy.result(PATIENCE) == "done"


def test_a_shutdown_may_let_the_queue_run() -> None:
    """With `cancel_futures=False`, as the executors of the standard library have it."""
    pool = ThreadPool(1)
    futures = [pool.submit(pow, 2, number) for number in range(10)]
    pool.shutdown(cancel_futures=False)
    assert [each.result(PATIENCE) for each in futures] == [2**number for number in range(10)]


def test_the_threads_end_with_the_pool() -> None:
    """Idle threads at once, busy ones after their work, and each exactly once."""
    before = set(threading.enumerate())
    pools = [ThreadPool(3) for _ in range(5)]
    release = threading.Event()
    for pool in pools:
        pool.submit(release.wait, PATIENCE)
        pool.submit(int).result(PATIENCE)
        pool.shutdown()
    release.set()
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_a_shutdown_amid_submissions_neither_hangs_nor_loses() -> None:
    """Every future submitted is done or cancelled, whenever the shutdown comes."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            pool = ThreadPool(3)
            futures: list[concurrent.futures.Future[int]] = []

            def submit(pool: ThreadPool, to: list[concurrent.futures.Future[int]]) -> None:
                with suppress(ClosedError):
                    while True:
                        to.append(pool.submit(int))

            submitter = threading.Thread(target=submit, args=[pool, futures])
            submitter.start()
            wait_until(lambda futures=futures: len(futures) > 20)  # type: ignore[misc]
            pool.shutdown()
            submitter.join(PATIENCE)
            assert not submitter.is_alive()
            _, pending = concurrent.futures.wait(futures, PATIENCE)
            assert not pending
    finally:
        sys.setswitchinterval(interval)


def test_a_result_is_not_kept_by_an_idle_thread() -> None:
    """Nothing of a finished job stays referenced while the thread waits for the next."""

    class Result:
        pass

    with pool_of(1) as pool:
        gc.collect()
        pool.submit(Result).result(PATIENCE)
        wait_until(lambda: not any(isinstance(each, Result) for each in gc.get_objects()))


@pytest.mark.real_loop
async def test_it_serves_as_the_default_executor_of_a_loop() -> None:
    """`asyncio.to_thread`, `run_in_executor` and `getaddrinfo` run in it, within its bound."""
    loop = asyncio.get_running_loop()
    with pool_of(1) as pool:
        loop.set_default_executor(pool)
        names = {threading.current_thread().name}
        names.add((await asyncio.to_thread(threading.current_thread)).name)
        names.add((await loop.run_in_executor(None, threading.current_thread)).name)
        names.add((await to_thread(threading.current_thread)).name)
        assert len(names) == 2
        found = await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
        assert found[0][4] == ("127.0.0.1", 80)
        blocked = threading.Event()
        busy = asyncio.create_task(asyncio.to_thread(blocked.wait, PATIENCE))
        await turns()
        wait_until(lambda: len(pool.statistics().running) == 1)
        looking_up = asyncio.create_task(loop.getaddrinfo("localhost", 80))
        await turns()
        assert pool.statistics().queued == 1
        blocked.set()
        assert await busy
        assert await looking_up


def run_program(text: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program to its end."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(text)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        # Which may be the only way to find mainstay.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_a_process_with_a_stuck_thread_ends() -> None:
    """The interpreter waits for the threads of `concurrent.futures` without a bound; not for
    these, neither at its own exit nor when the loop closes its default executor."""
    ended = run_program(
        """
        import asyncio, threading
        from mainstay.core.scope import Scope
        from mainstay.core.threads import ThreadPool, to_thread
        from mainstay.errors import DeadlineExceeded

        async def main():
            asyncio.get_running_loop().set_default_executor(ThreadPool(2))
            try:
                with Scope("caller", timeout=0.05):
                    await to_thread(threading.Event().wait)
            except DeadlineExceeded as error:
                print(error)

        asyncio.run(main())
        print("the end")
        """
    )
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == ["'caller' was given 0.05 s, which are over", "the end"]
    assert ended.returncode == 0


@pytest.mark.real_loop
@pytest.mark.usefixtures("patient_callers")
async def test_many_callers_and_cancellations_leave_nothing_running() -> None:
    """Ten times as many functions as threads, cancelled in the queue and at work: all end."""
    with pool_of(4) as pool, nothing_left():
        with Scope() as scope:
            scope.set(THREADS, pool)

            async def call(number: int) -> None:
                with suppress(DeadlineExceeded), Scope(timeout=number * 0.002):
                    await to_thread(nap)

            def nap() -> None:
                Scope.current().sleep(60)

            async with Group() as group:
                for number in range(40):
                    group.start(call(number))
            assert scope.children() == []
        wait_until(lambda: pool.statistics().running == ())
        assert me().cancelling() == 0
