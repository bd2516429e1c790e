"""Where the CDNOW log is, or why it is not."""

from functools import cache
from pathlib import Path

import pytest

from agents.demodata import cdnow_path
from schemas.errors import Unavailable


@cache
def _find() -> Path | str:
    try:
        return cdnow_path()
    except Unavailable as error:
        return str(error)


def cdnow() -> Path:
    """The checked log; skips the test, with the reason, when it cannot be had."""
    found = _find()
    if isinstance(found, str):
        pytest.skip(found)
    return found
