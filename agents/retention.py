"""Whether the inbox is kept for long enough to train a model anew from it, as `worker models` does by itself."""

from collections.abc import Mapping

from agents.registry import Registry
from agents.windows import WARM_UP
from schemas.topics import DAY_MS
from streams.features import DAY
from streams.labels import Label

JUDGED_DAYS = 28.0
"""Finished labels on which a swap is tried (`agents.retraining`)."""
ADVISED_DAYS = 400
"""More than a year: then the calibration knows last year's same weeks, too (`streams.volume`)."""


def needed_days(label: Label) -> float:
    """Days of log without which no swap can be tried: warm up, learn, let labels come true twice, and judge."""
    return JUDGED_DAYS + (2 + WARM_UP) * label.reach / DAY


def kept_days(config: Mapping[str, str]) -> float | None:
    """How long a topic is kept; None: for ever, or the broker does not say."""
    told = int(config.get("retention.ms", -1))
    return None if told < 0 else told / DAY_MS


def label_in_force(registry: Registry) -> Label:
    """What the model in force calls going quiet; where none is, what a mapping without a word of it does."""
    told = registry.published.get(registry.in_force or "")
    return Label.model_validate(told.manifest["label"]) if told else Label()


def too_short(name: str, kept: float | None, label: Label) -> str | None:
    """What to say of an inbox from which nothing can be trained; None: it will do.

    Args:
        name: of the topic, with its prefix.
        kept: days.
        label: of the model that is to be trained.
    """
    if kept is None or kept >= needed_days(label):
        return None
    return (
        f"{name} is kept {kept:g} days; training anew from it needs {needed_days(label):.0f} (horizon "
        f"{label.horizon_days:g} days), so no model will be: kafka-configs.sh --bootstrap-server BROKER --alter "
        f"--entity-type topics --entity-name {name} --add-config retention.ms={ADVISED_DAYS * DAY_MS} keeps "
        f"{ADVISED_DAYS}, `leadkeeper topics create --keep-days {ADVISED_DAYS}` does where it is new; else train from "
        "files (`model retrain FILE`), and LEADKEEPER_RETRAIN_DAYS=0"
    )
