"""The tests mirror `src/mainstay` one to one: `core/scope.py` is tested by `core/test_scope.py`."""
