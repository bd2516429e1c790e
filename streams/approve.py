"""Steps that wait for a person's yes: by action, by cost, by worth, by how many leads would get it. Without one they expire."""

from schemas.decisions import Rule
from streams.consent import Refusal
from streams.features import HOUR
from streams.plays import Step
from streams.record import Planned
from streams.thresholds import Approvals

ASKS = frozenset({Rule.APPROVAL, Rule.BLAST_RADIUS})
"""Rules by which a step waits for a yes."""


def needs_approval(rules: Approvals, step: Step, cost_cents: float, value_cents: float) -> str | None:
    """Why a person has to agree, in words; None: nobody has to."""
    if step.action in rules.actions:
        return f"{step.action} goes out only with a person's yes"
    if rules.above_cost_cents is not None and cost_cents > rules.above_cost_cents:
        return f"costs {cost_cents / 100:,.2f}; from {rules.above_cost_cents / 100:,.2f} on a person decides"
    if rules.above_value_cents is not None and value_cents > rules.above_value_cents:
        return (
            f"the lead is worth {value_cents / 100:,.2f}; from {rules.above_value_cents / 100:,.2f} on a person decides"
        )
    return None


def awaits(planned: Planned, reason: str, rules: Approvals, now: float, rule: Rule = Rule.APPROVAL) -> Refusal | None:
    """A refusal until somebody agrees or the question expires; None once somebody has agreed."""
    return None if planned.approved else Refusal(rule, reason, _ends(planned, rules, planned.asked or now))


def nobody_agreed(planned: Planned, rules: Approvals, now: float) -> Refusal | None:
    """A refusal for good when a question has expired, whatever else keeps the step from going out by then."""
    if planned.approved or not planned.asked or now < _ends(planned, rules, planned.asked):
        return None
    return Refusal(Rule.APPROVAL, f"nobody agreed within {rules.expires_after_hours:g} h")


def _ends(planned: Planned, rules: Approvals, asked: float) -> float:
    return min(asked + rules.expires_after_hours * HOUR, planned.expires)
