"""A group of tasks that do nothing, per task."""

from __future__ import annotations

import asyncio

import anyio

from bench.harness import Experiment, Lap, Work, in_loop
from mainstay import Group, Scope

__all__ = ["EXPERIMENTS"]


async def trivial() -> None:
    pass


def group(tasks: int) -> Work:
    async def work(times: int, lap: Lap) -> None:
        with Scope(), lap:
            for _ in range(0, times, tasks):
                async with Group() as group:
                    for _ in range(tasks):
                        group.start(trivial())

    return work


def task_group(tasks: int) -> Work:
    async def work(times: int, lap: Lap) -> None:
        with lap:
            for _ in range(0, times, tasks):
                async with asyncio.TaskGroup() as group:
                    for _ in range(tasks):
                        group.create_task(trivial())

    return work


def anyio_group(tasks: int) -> Work:
    async def work(times: int, lap: Lap) -> None:
        with lap:
            for _ in range(0, times, tasks):
                async with anyio.create_task_group() as group:
                    for _ in range(tasks):
                        group.start_soon(trivial)

    return work


def gather(tasks: int) -> Work:
    async def work(times: int, lap: Lap) -> None:
        with lap:
            for _ in range(0, times, tasks):
                await asyncio.gather(*(trivial() for _ in range(tasks)))

    return work


def experiment(tasks: int) -> Experiment:
    """Groups of that many tasks."""
    return Experiment(
        f"group-{tasks}",
        f"a task in a group of {tasks}, its share of the group included",
        [
            in_loop("Group", group(tasks)),
            in_loop("asyncio.TaskGroup", task_group(tasks)),
            in_loop("anyio.create_task_group", anyio_group(tasks)),
            in_loop("asyncio.gather", gather(tasks)),
        ],
        reference="asyncio.TaskGroup",
        rounds=20,
    )


EXPERIMENTS = tuple(experiment(tasks) for tasks in (1, 10, 100))
