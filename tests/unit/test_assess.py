"""What an assessment says of the one before it, for one lead and for many at once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.assess import change, changes

SHARE = st.floats(0, 1)


@given(p=SHARE, published=st.floats(0, 1, width=32), seq=st.integers(0, 3))
def test_one_lead_and_many_are_told_the_same_change_to_the_bit(p: float, published: float, seq: int) -> None:
    many = changes(np.array([p]), np.array([published]), np.array([seq]))
    one = change(p, published, seq)
    assert many.tobytes() == np.array([one]).tobytes()
    assert seq or one == 0.0
