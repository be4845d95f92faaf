"""Facts about `mainstay.service.importing`."""

import pytest

from mainstay import Service
from mainstay.errors import UsageError
from mainstay.service.importing import importing, refuse_to_run


def test_a_service_does_not_run_while_it_is_imported() -> None:
    """Nothing of it is loaded or started, and who called is told where that belongs."""
    with importing(), pytest.raises(UsageError, match="keep it under `if __name__"):
        Service("s").run()


def test_it_holds_inside_of_the_block_only() -> None:
    """Also when the import fails."""
    with pytest.raises(ValueError, match="no luck"), importing():
        raise ValueError("no luck")
    refuse_to_run()
