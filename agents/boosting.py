"""LightGBM, without what it would bring along. Everybody takes it from here, so that it is hidden from all of them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["lightgbm"]


@contextmanager
def _without(*modules: str) -> Iterator[None]:
    """Hide modules meanwhile: LightGBM takes in pandas and scikit-learn where it can, 2 s and 90 MB for nothing."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _without("pandas", "sklearn", "dask"):
    import lightgbm
