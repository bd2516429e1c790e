"""The model of the benches: LightGBM at the product's default size, trained by its own trainer on made-up leads."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import numpy as np

from agents.eventlog import LoggedEvent
from agents.model import load
from agents.snapshots import ActivityLog
from agents.train import train
from streams.env import EVERYONE, Env
from streams.features import DAY
from streams.labels import Label
from streams.policy import Policy, parse_policy
from tests.bench.lead_traffic import SEED, records
from tests.worlds import POLICY_FILE, for_crowds

LEADS = 3_000
EVENTS = 120_000
DAYS = 330
START = 1_735_689_600.0  # 2025-01-01
LABEL = Label(horizon_days=30, eligible_days=90)
POLICY_NAME = "policy.toml"


def policy_text(*, every_event: bool) -> str:
    """Return the default policy; with `every_event`, one that publishes an assessment for each."""
    text = for_crowds(POLICY_FILE.read_text())
    assert "min_change = 0.02" in text
    return text.replace("min_change = 0.02", "min_change = 0") if every_event else text


def prepare(folder: Path, *, every_event: bool) -> str:
    """Train, save model and policy under a folder; return the model's version.

    Leads come with a rhythm of their own and leave one after another, so there is something to learn and the trees grow
    to their full size.
    """
    chance = np.random.default_rng([SEED, 2])
    came, stayed = chance.uniform(0, DAYS * 0.7, LEADS), chance.exponential(120, LEADS)
    when = np.linspace(0, DAYS, EVENTS)
    who = chance.integers(0, LEADS, EVENTS)
    there = (came[who] <= when) & (when <= came[who] + stayed[who])
    made = records(who, START, START + DAYS * DAY, size=0, serial=1 << 40)
    log = [
        LoggedEvent(int((START + day * DAY) * 1000), *event)
        for event, day, here in zip(made, when, there, strict=True)
        if here
    ]
    trained = train(ActivityLog.read(log, _policy(every_event=False)), LABEL, name="bench")
    trained.save(folder)
    (folder / POLICY_NAME).write_text(policy_text(every_event=every_event))
    return trained.manifest.version


def scoring(folder: Path) -> Env:
    """Return what the worker folds with that finds this folder."""
    version = next(path.parent.name for path in folder.glob("*/manifest.json"))
    policy = parse_policy(tomllib.loads((folder / POLICY_NAME).read_text()), POLICY_NAME)
    return Env({"": {EVERYONE: policy}, policy.version: {EVERYONE: policy}}, {"": load(folder / version)})


@cache
def _policy(*, every_event: bool) -> Policy:
    return parse_policy(tomllib.loads(policy_text(every_event=every_event)), POLICY_NAME)
