"""Facts about how the tutorial's changes to files are read."""

import pytest

from tests.docs.editing import edited

SOURCE = '''\
"""A file."""

import os
from a import (
    b,
)


@wrapped
def f():
    return 1


X = (
    1
)


class A:
    def g(self):
        return 2

    def h(self):
        return 3
'''


def test_a_file_is_written_whole() -> None:
    """Whatever was in it."""
    assert edited(SOURCE, None, "x = 1\n") == "x = 1\n"


def test_text_is_added_at_the_end() -> None:
    """Two blank lines before it."""
    assert edited("x = 1\n", "at its end", "y = 2\n") == "x = 1\n\n\ny = 2\n"


def test_imports_are_replaced() -> None:
    """All of them, and nothing else."""
    changed = edited(SOURCE, "its imports", "import sys\n")
    assert changed == SOURCE.replace("import os\nfrom a import (\n    b,\n)\n", "import sys\n")


def test_a_function_is_replaced_with_its_decorators() -> None:
    """And what stands around it is left."""
    changed = edited(SOURCE, "in the place of `f`", "def f(): ...\n")
    assert changed == SOURCE.replace("@wrapped\ndef f():\n    return 1\n", "def f(): ...\n")


def test_an_assignment_is_replaced() -> None:
    """However many lines it has."""
    changed = edited(SOURCE, "in the place of `X`", "X = 2\n")
    assert changed == SOURCE.replace("X = (\n    1\n)\n", "X = 2\n")


def test_a_constant_follows_another() -> None:
    """Below it, after a blank line."""
    changed = edited(SOURCE, "after `X`", "Y = 2\n")
    assert changed == SOURCE.replace("    1\n)\n", "    1\n)\n\nY = 2\n")


def test_nothing_is_added_in_the_place_of_a_name() -> None:
    """A reader who replaces a method would not look for another one."""
    with pytest.raises(ValueError, match="in the place of `f` is more than one definition"):
        edited(SOURCE, "in the place of `f`", "def f(): ...\n\n\ndef g(): ...\n")


def test_a_method_is_replaced_and_added_with_its_indent() -> None:
    """The page shows it without."""
    changed = edited(SOURCE, "in the place of `A.g`", "def g(self): ...\n")
    assert "class A:\n    def g(self): ...\n\n    def h" in changed
    changed = edited(SOURCE, "after `A.g`", "def i(self): ...\n")
    assert "return 2\n\n    def i(self): ...\n\n    def h" in changed


@pytest.mark.parametrize("where", ["somewhere", "after `B`", "in the place of `A.f`"])
def test_a_place_that_is_not_there_is_an_error(where: str) -> None:
    """So a page cannot change what it does not find."""
    with pytest.raises(ValueError, match=r"no place|there is no"):
        edited(SOURCE, where, "")
