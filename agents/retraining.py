"""Scheduled retraining: every week a model is trained on all that is known, and put in force only if that is surely better.

What is trained on everything cannot be judged yet: its labels end where the log does. So the swap is tried where the truth is
known: a model made as the new one is, four weeks of finished labels ago, is held against the one in force, or, where that is
newer than this, against its twin: made as long before as the one in force is old now. Rules of promotion: `streams.promotion`;
where one of the two has a season from last year in its calibration, the stages' volumes may move: they are to.
The first model is put in force by a person: after the rule scorer stages hold other leads, which is no night's business.
"""

import logging
from datetime import datetime
from typing import NamedTuple

from agents.activate import Order, activate
from agents.compare import Compared, hold_against
from agents.inbox_log import inbox
from agents.library import RULE_VERSION
from agents.model import LightGbmScorer, TrainedModel, load
from agents.parcel import open_parcel, pack
from agents.registry import Registry
from agents.retention import JUDGED_DAYS
from agents.settings import LeadSettings, ModelSettings
from agents.snapshots import ActivityLog
from agents.train import train
from schemas import topics
from schemas.errors import LeadkeeperError
from schemas.policies import ModelPromoted
from streams.env import EVERYONE
from streams.features import DAY
from streams.policy import Policy, PolicyOf

logger = logging.getLogger(__name__)
HEAD_START_S = 2.0
"""Between announcement and order, as in `leadkeeper model promote`."""


class Trial(NamedTuple):
    """What retraining came to. `model` is the new one, trained on everything; None: the old one stays."""

    model: TrainedModel | None
    compared: Compared | None
    why: str


def is_due(registry: Registry, at: datetime, every_days: float, tried: float = 0.0) -> bool:
    """Whether so many days have passed since a model was published, by whomever, and since it was last tried (epoch seconds)."""
    newest = max((one.at.timestamp() for one in registry.published.values()), default=0.0)
    return every_days > 0 and at.timestamp() - max(newest, tried) >= every_days * DAY


def retrained(log: ActivityLog, policy: Policy, champion: LightGbmScorer, name: str) -> Trial:
    """Train anew on everything, if a model made this way is surely better where the truth is known.

    Args:
        log: everything that is known.
        policy: says where stages begin.
        champion: what judges now; what it calls going quiet is asked of the new one, too.
        name: of the log, for the manifest.

    Raises:
        TooLittleData: the log cannot carry two models one after the other.
    """
    label, made = champion.manifest.label, champion.manifest.trained.last.timestamp()
    cut = log.last_judged(label) - JUDGED_DAYS * DAY
    fresh, rival = train(log, label, cut, name), champion
    if made > cut:
        rival = train(log, label, cut - max(log.end - made, 0.0), name).scorer()
    if rival.version == fresh.manifest.version:
        return Trial(None, None, "nothing has come in that would change it")
    seasonal = bool(fresh.manifest.season or rival.manifest.season)
    compared = hold_against(rival, fresh.scorer(), log, policy.stages.enter, volumes_may_move=seasonal)
    if not compared.verdict.promote:
        return Trial(None, compared, "; ".join(compared.verdict.refusals))
    model = train(log, label, log.end, name)
    if model.manifest.flags:
        return Trial(None, compared, "; ".join(model.manifest.flags))
    low, mean, high = compared.verdict.difference
    whom = champion.version if rival is champion else f"one as old as {champion.version} is"
    why = f"retrained: made four weeks of labels ago it beats {whom}: log loss {mean:+.4f}, 95 % {low:+.4f} to {high:+.4f}"
    return Trial(model, compared, why)


async def retrain_if_due(
    settings: ModelSettings, registry: Registry, policy_of: PolicyOf, at: datetime, tried: float
) -> Trial | None:
    """Do so with what `lead.events` holds, if it is due, and put what is better in force.

    Args:
        settings: where the topics are.
        registry: which models there are.
        policy_of: tenant -> the policy in force; what its events mean.
        at: now.
        tried: when it was tried last (epoch seconds).

    None: it is not due, or no model is in force. While a model judges only a share of the leads, nothing is done: two
    changes at once could not be told apart.
    """
    if not is_due(registry, at, settings.retrain_days, tried) or registry.rolling:
        return None
    try:
        champion = champion_of(settings, registry)
        if champion is None:
            return None
        log = await inbox(settings, policy_of)
        trial = retrained(log, policy_of(EVERYONE), champion, topics.EVENTS.name)
    except LeadkeeperError as error:
        logger.warning("no model was trained: %s", error)  # nobody asked just now, and nobody waits for an answer
        return Trial(None, None, str(error))
    if trial.model is None:
        logger.info("%s stays in force: %s", champion.version, trial.why)
        return trial
    version = trial.model.manifest.version
    note = ModelPromoted(id=f"promoted-{version}-{at:%Y%m%dT%H%M%S}", tenant="*", at=at, version=version, why=trial.why)
    await activate(
        settings.bootstrap, settings.topic_prefix, at, Order(model=version),
        announce=[pack(trial.model, at), note], head_start_s=HEAD_START_S,
    )  # fmt: skip
    logger.info("%s judges from now on: %s", version, trial.why)
    return trial


def champion_of(settings: LeadSettings, registry: Registry) -> LightGbmScorer | None:
    """The model that judges now; None: the rule scorer does. Raises ModelInvalid."""
    version = registry.in_force or settings.model or RULE_VERSION
    if version == RULE_VERSION:
        return None
    if version in registry.published:
        return open_parcel(registry.published[version])
    return load(settings.models / version)
