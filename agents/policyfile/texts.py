"""Message texts that a policy's steps need: there, and without a variable that no command sends."""

from collections.abc import Iterator
from pathlib import Path

from agents.channels.parts import PARTS
from agents.channels.templates import Templates, UnrenderableError
from schemas.commands import Variable
from schemas.units import Channel
from streams.findings import Finding
from streams.playbook import template_of
from streams.plays import Step
from streams.policy import Policy

SAMPLE: dict[str, Variable] = {
    "name": "Ann", "tenant": "acme", "lead": "L-1001", "agent": "Ben", "business": "our team", "stage": "active_risk",
    "action": "immediate_call", "probability_percent": 64, "silent_days": 9, "usual_gap_days": 2,
    "reason": "silent 9 days, usually 2", "journey": "customer", "occasion": "Monday 12 January, 10:30",
    "offer_words": "15 % off for three months", "unwanted": "does not want to be phoned",
}  # fmt: skip
"""What `streams/outreach.py` sends with each command; a test holds the two together."""
ADDED: dict[Channel, dict[str, Variable]] = {Channel.EMAIL: {"unsubscribe": "https://example.com/unsubscribe"}}
"""What a channel adds."""
UNKNOWN = ("name", "agent", "usual_gap_days", "unsubscribe", "journey", "occasion", "offer_words", "unwanted")
"""What may be unknown of a lead."""


def unrenderable(policy: Policy, folder: Path) -> Iterator[Finding]:
    """Steps whose text is missing or cannot be rendered, with everything known of the lead and with nothing."""
    templates = Templates(folder)
    if (task := policy.escalation.task_template) is not None:
        own = Step(name="task", action="agent_escalation", channel=Channel.CRM_TASK, template=task)
        if (what := _problem(templates, own, Channel.CRM_TASK, task)) is not None:
            yield Finding(("escalation", "task_template"), what, "correct the template")
    for place, programme in policy.programmes():
        for i, step in enumerate(programme.steps):
            for channel in (step.channel, *step.fallback):
                key = "template" if channel is step.channel else "fallback"
                if (what := _problem(templates, step, channel, template_of(step, channel))) is not None:
                    problem, _, remedy = what.partition("; ")
                    yield Finding((*place, "steps", i, key), problem, remedy or "correct the template")
                yield from _variants(policy, templates, step, channel)


def _variants(policy: Policy, templates: Templates, step: Step, channel: Channel) -> Iterator[Finding]:
    name = policy.experiment_on.get(template_of(step, channel))
    for variant, one in policy.experiments[name].variants.items() if name else ():
        if (what := _problem(templates, step, channel, one.template)) is not None:
            problem, _, remedy = what.partition("; ")
            place = ("experiments", name or "", "variants", variant)
            yield Finding(place, problem, remedy or "correct the template")


def _problem(templates: Templates, step: Step, channel: Channel, template: str) -> str | None:
    known = SAMPLE | {"action": step.action} | ADDED.get(channel, {})
    for variables in (known, {name: None if name in UNKNOWN else value for name, value in known.items()}):
        try:
            templates.render(template, PARTS[channel], variables)
        except UnrenderableError as error:
            return str(error)
    return None
