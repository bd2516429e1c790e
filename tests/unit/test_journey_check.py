"""What `policy check` says of journeys and campaigns that cannot be, or that no lead ever meets: line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.test_policy_files import problems

TEXT = """name = "small"
version = "1"

[channels.email]
contacts_lead = true

[vocabulary.demo_booked]
family = "intent"
key = true

[journey]

[[journey.stages]]
name = "prospect"
done_on = ["demo_booked"]

[[journey.stages]]
name = "trial"
done_on = ["purchase_completed"]
typical_days = 14

[[journey.stages]]
name = "customer"

[campaigns.stuck]
trigger = { type = "lifecycle_stage", stage = "trial", when = "stalled" }
where = { journey = ["trial"] }

[[campaigns.stuck.steps]]
name = "a_note"
action = "market_update"
channel = "email"
template = "early_warning.email"
delay_hours = 2
"""


STUCK = '"lifecycle_stage", stage = "trial", when = "stalled"'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('["demo_booked"]', '["demo_boked"]', "15: journey.stages.0.done_on: 'demo_boked' is no kind of event t"),
        ('stage = "trial"', 'stage = "trail"', "26: @.trigger.stage: the journey has no stage 'trail'; write one"),
        ('journey = ["trial"]', 'journey = ["triall"]', "27: @.where.journey: the journey has no stage 'triall'; write"),
        ('journey = ["trial"]', 'journey = ["customer"]', "27: @.where.journey: campaign stuck never begins: its trigger is"),
        ('done_on = ["demo_booked"]\n', "", "17: journey.stages.1.name: no lead ever reaches trial: prospect"),
        ("typical_days = 14\n", "", "25: @.trigger: campaign stuck never begins: trial has no typical"),
        ('"stalled"', '"moved_back"', "26: @.trigger: campaign stuck never begins: no lead ever comes b"),
        (STUCK, '"event", kinds = ["no_show"]', "26: @.trigger.kinds: 'no_show' is no kind"),
        (STUCK, '"season", start = "02-30"', "26: @.trigger.start: '02-30' is not"),
        (STUCK, '"sunshine"', "26: @.trigger.type: 'sunshine' is not possible; write one of 'ev"),
        (STUCK, '"appointment_due", hours_before = 2', "34: @.steps.0.delay_hours: step a_note begins 2 h after"),
        (STUCK, '"season", strat = "09-15"', "26: @.trigger.strat: unknown key; did you mean start?"),
        ('journey = ["trial"]', "health = [80, 20]", "27: @.where.health: nobody's health is between these; write the"),
        ('journey = ["trial"]', 'jorney = ["trial"]', "27: @.where.jorney: unknown key; did you mean journey?"),
        ('name = "customer"\n', 'name = "customer"\ndone_on = ["refund_issued"]\n', "24: journey.stages.2.done_on: customer is the last"),
        ('channel = "email"', 'channel = "sms"', "32: @.steps.0.channel: step a_note uses sms, which [channels] do"),
        ("early_warning.email", "campaign.nothing.email", "33: @.steps.0.template: template file campaign.nothing.email"),
        ('name = "trial"', 'name = "prospect"', "11: journey: what stands here is not possible; two stages of the"),
        ("typical_days = 14", "typical_days = 14\nsuccess_estimate = 0.4", "17: journey.stages.1: what stands here is not possible; an es"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_a_line_and_a_remedy(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert problems(tmp_path, TEXT) == []
    assert old in TEXT
    found = problems(tmp_path, TEXT.replace(old, new))
    assert any(one.startswith(said.replace("@", "campaigns.stuck")) for one in found), found


def test_a_season_for_everybody_or_for_newcomers_is_refused(tmp_path: Path) -> None:
    """Of them nothing is remembered."""
    season = TEXT.replace('"lifecycle_stage", stage = "trial", when = "stalled"', '"season", start = "09-15"')
    (found,) = problems(tmp_path, season.replace('where = { journey = ["trial"] }\n', ""))
    assert found.startswith("26: campaigns.stuck.trigger: campaign stuck is for everybody")
    (found,) = problems(tmp_path, season.replace('journey = ["trial"]', 'journey = ["prospect"]'))
    assert found.startswith("27: campaigns.stuck.where.journey: campaign stuck is for leads in the first stage only")


def test_a_stage_that_only_closing_leads_to_begins_no_campaign(tmp_path: Path) -> None:
    entered = TEXT.replace('when = "stalled"', 'when = "entered"').replace('["demo_booked"]', '["closed_won"]')
    (found,) = problems(tmp_path, entered)
    assert "a lead enters trial only by being closed, and to closed leads nothing is sent" in found
