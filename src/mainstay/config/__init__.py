"""Typed configuration in layers: defaults, files, environment, flags. Start with `load`."""

from mainstay.config.loading import Loaded, load
from mainstay.config.problems import Problem
from mainstay.config.rows import Row
from mainstay.config.secret import Secret

__all__ = ["Loaded", "Problem", "Row", "Secret", "load"]
