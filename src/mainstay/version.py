"""The version, in the one place that the build and everybody else read."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
