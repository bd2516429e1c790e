"""What is told late says how things were, not how they are: consent, profile, bounces, signs of life."""

from __future__ import annotations

import itertools

import pytest

from schemas.units import Channel
from tests.unit.lives import Life


@pytest.mark.parametrize("words", [*itertools.permutations([(3, True), (5, False), (4, True)])])
def test_an_older_yes_never_overrides_a_newer_no(words: tuple[tuple[int, bool], ...]) -> None:
    """In whatever order they arrive, the newest word counts."""
    life = Life()
    for i, (day, allowed) in enumerate(words):
        life.tell(10 + i, "consent_changed", happened=day, channel="email", allowed=allowed)
    assert life.record.consent == {"email": False}
    life.tell(20, "consent_changed", happened=6, channel="email", allowed=True)
    assert life.record.consent == {"email": True}


@pytest.mark.parametrize("order", [(True, False), (False, True)])
def test_of_two_words_at_the_same_time_no_counts(order: tuple[bool, bool]) -> None:
    """And a channel has its own time."""
    life = Life()
    for allowed in order:
        life.tell(5, "consent_changed", channel="sms", allowed=allowed)
    life.tell(6, "consent_changed", happened=4, channel="email", allowed=True)
    assert life.record.consent == {"sms": False, "email": True}


def test_an_older_profile_only_fills_what_is_unknown() -> None:
    """Newest first or last, the newest stays."""
    life = Life()
    life.tell(5, "profile_updated", email="new@harbour-homes.com", owner="kim")
    life.tell(6, "profile_updated", happened=3, email="old@harbour-homes.com", owner=None, manager="lee")
    profile = life.record.profile
    assert (profile.email, profile.owner, profile.manager, profile.name) == (
        "new@harbour-homes.com",
        "kim",
        "lee",
        "Ann",
    )
    life.tell(7, "profile_updated", owner=None)
    assert life.record.profile.owner is None


def test_a_bounced_address_stays_bounced_until_another_one_is_told() -> None:
    """Also when the intervention is not known any more: then the receipt names the channel."""
    life = Life(phone="+14155550132")
    for channel in ("email", "sms", "phone"):
        life.tell(1, "receipt", intervention="int-forgotten", channel=channel, status="bounced")
    every = {Channel.EMAIL, Channel.SMS, Channel.PHONE}
    assert set(life.record.suppressed) == every
    life.tell(2, "profile_updated", email="ann@harbour-homes.com", phone="+14155550132")
    assert set(life.record.suppressed) == every, "the same addresses as before"
    life.tell(3, "profile_updated", phone="+14155550199")
    assert set(life.record.suppressed) == {Channel.EMAIL}, "a new number is called and texted again"
    life.tell(4, "profile_updated", email="bo@harbour-homes.com")
    assert life.record.suppressed == {}


def test_a_very_late_event_does_not_bring_back_who_is_gone() -> None:
    """It is older than the last sign of life known; a newer one does."""
    life = Life()
    life.grow_silent(110)
    assert life.record.gone
    life.tell(111, "item_viewed", happened=7, item="listing-7")
    assert life.record.gone
    life.tell(112, "item_viewed", item="listing-9")
    assert not life.record.gone
