"""Messages about a lead that are no activity: profile, consent, receipts, closing, orders of operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from schemas import events as e
from schemas.decisions import Rule
from schemas.units import Channel, DeliveryStatus
from streams import outbox, settle
from streams.consent import ALL, opted_out
from streams.escalate import settle_all
from streams.on_the_way import hear_closing
from streams.orders import obey
from streams.outreach import try_fallback
from streams.planning import (
    answered,
    drop_planned,
    reaches_lead,
    stop_campaigns,
    stop_playbooks,
    withdraw,
    withdraw_all,
)
from streams.record import Profile
from streams.suppression import BY_ADDRESS, REACHED_BY, REFUSED
from streams.track import BACK, NOT_REACHED, apply_receipt
from streams.undelivered import ask_if_nothing_arrives
from streams.waiting import hear_word, told_of

if TYPE_CHECKING:
    from streams.record import Intervention
    from streams.rules import Case


def hear(case: Case, body: e.AboutLead, at: float) -> None:
    """Take in what the message says of this time (epoch seconds)."""
    match body:
        case e.ProfileUpdated():
            _profile(case, body, at)
        case e.ConsentChanged():
            _consent(case, body, at)
        case e.Receipt():
            _receipt(case, body)
        case e.LeadClosed():
            _closed(case, body, at)
        case _:
            obey(case, body)


def _profile(case: Case, event: e.ProfileUpdated, at: float) -> None:
    """Only what the event names changes; told late, it only fills what is unknown. Another address is not suppressed."""
    record, profile = case.record, case.record.profile
    late = at < record.profile_at
    record.profile_at = max(at, record.profile_at)
    for name in event.model_fields_set & set(Profile.__struct_fields__):
        before, told = getattr(profile, name), getattr(event, name)
        if late and before is not None:
            continue
        setattr(profile, name, told)
        if told in {None, before}:
            continue
        channels = REACHED_BY.get(name, ())
        outbox.of_its_addresses(case, [c for c in channels if opted_out(record.consent, c)], "consent", suppressed=True)
        if not late:
            for channel in channels:
                record.suppressed.pop(channel, None)


def _consent(case: Case, event: e.ConsentChanged, at: float) -> None:
    """The newest word counts, in whatever order they come; of two at the same time, no. A no also takes back what is not out."""
    consent, said_at = case.record.consent, case.record.consent_at.get(event.channel)
    if said_at is not None and (at < said_at or (at == said_at and not consent[event.channel])):
        case.desk.tally["consent", "older"] += 1
        return
    before = _refused(consent)
    consent[event.channel], case.record.consent_at[event.channel] = event.allowed, at
    after = _refused(consent)
    outbox.of_its_addresses(case, after - before, "consent", suppressed=True)
    outbox.of_its_addresses(case, before - after, "consent", suppressed=False)
    if not event.allowed:
        if event.channel != ALL:
            withdraw_all(case, Rule.NO_CONSENT, "the lead opted out", Channel(event.channel))
        else:
            withdraw(case, Rule.NO_CONSENT, "the lead opted out", lambda i: i.call or reaches_lead(case, i))
            stop_playbooks(case, "opt_out", Rule.NO_CONSENT, "the lead opted out of everything")
            stop_campaigns(case, "opt_out", Rule.NO_CONSENT, "the lead opted out of everything")


def _refused(consent: Mapping[str, bool]) -> set[Channel]:
    """Channels with an address of their own that the lead opted out of."""
    return {c for channels in REACHED_BY.values() for c in channels if opted_out(consent, c)}


def _receipt(case: Case, event: e.Receipt) -> None:
    """What a courier or a provider says of one intervention, also when we no longer know it: an address stays bounced."""
    found = next((i for i in case.record.interventions if i.id == event.intervention), None)
    if event.status is DeliveryStatus.BOUNCED:
        case.record.suppressed[found.channel if found else event.channel] = "the address bounced"
    if found is None or not apply_receipt(found, event.status):
        case.desk.tally["receipt", "ignored"] += 1
        return
    case.desk.tally["receipt", event.status] += 1
    outbox.tracked(case, found)
    if (event.error or "").startswith(REFUSED):
        _refused_by_address(case, found, event.error or "")
    if found.status in NOT_REACHED:
        another = _still_wanted(case, found, event.error or "") and try_fallback(case, found)
        ask_if_nothing_arrives(case)
        if another:
            return
    if case.record.belongs(found):
        hear_word(case, found.status, told_of(found))
        if found.status is DeliveryStatus.RESPONDED:
            answered(case)


def _refused_by_address(case: Case, found: Intervention, error: str) -> None:
    """The courier did not send it: whoever has this address may not be written to. So it was no contact either."""
    record = case.record
    record.suppressed[found.channel] = f"{BY_ADDRESS}: {error.removeprefix(REFUSED).strip()}"
    record.contacts = [c for c in record.contacts if (c.at, c.channel) != (found.at, found.channel)]


def _still_wanted(case: Case, failed: Intervention, error: str) -> bool:
    """Whether another channel may be tried: not for what was taken back or came too late, nor, but in campaigns, once it is back."""
    if failed.final or failed.withdrawn or error.startswith("expired:"):
        return False
    return bool(failed.campaign) or (failed.outcome not in BACK and case.signs["last_key"] <= failed.at)


def _closed(case: Case, event: e.LeadClosed, at: float) -> None:
    """The relationship ended; nothing more goes out."""
    drop_planned(case, Rule.CLOSED, f"the lead was closed as {event.outcome}")
    withdraw_all(case, Rule.CLOSED, f"closed as {event.outcome}")
    if case.record.episode:
        settle.close_episode(
            case, case.record.episode, "converted" if event.outcome == "won" else "churned", event.value_cents
        )
    case.record.closed, case.record.closed_at = event.outcome, case.now
    case.leave_stage()
    hear_closing(case, event.outcome, at)
    settle_all(case, f"the lead was closed as {event.outcome}")


def erase(case: Case, order: e.EraseLead) -> None:
    """Take back what is not out yet, and end what others may wait for; the caller forgets the rest."""
    if order.suppress:
        outbox.of_its_addresses(case, Channel, "erased", suppressed=True)
    drop_planned(case, Rule.ERASED, "the lead was erased")
    withdraw_all(case, Rule.ERASED, "the lead was erased")
    if case.record.episode:
        settle.close_episode(case, case.record.episode, "expired", None)
    case.record.profile = Profile()  # nothing published from here on says who it was
    settle_all(case, "erased")
    case.desk.tally["erased",] += 1
