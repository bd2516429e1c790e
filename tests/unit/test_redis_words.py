"""What is said of a Redis that does not answer: where it was looked for and which setting says so, and no password."""

import pytest

from agents.couriers.run import redis_away


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://ann:secret@10.0.0.1:7000/2", "10.0.0.1:7000"),
        ("redis://localhost", "localhost:6379"),
        ("unix://:secret@/run/redis.sock", "/run/redis.sock"),
    ],
)
def test_the_place_is_named_and_the_password_is_not(url: str, where: str) -> None:
    said = redis_away(url, ConnectionError("refused"))
    assert said == f"Redis at {where} does not answer: refused (LEADKEEPER_REDIS_URL)"
