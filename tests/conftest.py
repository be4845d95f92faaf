"""Coroutine tests run in virtual time; see `mainstay.testing.plugin`."""

pytest_plugins = ["mainstay.testing.plugin"]
