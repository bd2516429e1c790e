"""The way back: which version judges in place of one that has to go, and what workers must be told first to load it.

Workers know the model of LEADKEEPER_MODEL as what is in force at first, and not by its name. So before an order names it, it
is announced from the folder of models. What lies neither there nor on `policies`, or is of an older program, is passed over:
an order for it would be dead-lettered, and what has to go would judge on.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from agents.library import RULE_VERSION
from agents.registry import Registry
from agents.settings import LeadSettings
from schemas.errors import ModelInvalid
from schemas.policies import ModelPublished
from streams.fallback import fall_back_to
from streams.grade import Verdict

logger = logging.getLogger(__name__)


class WayBack(NamedTuple):
    """Where to, and what has to be announced for it."""

    version: str
    announce: tuple[ModelPublished, ...]


def at_first(settings: LeadSettings) -> list[str]:
    """What judged before anything was promoted, oldest first: the rule scorer, and the model of the settings if there is one."""
    return [RULE_VERSION, *([settings.model] if settings.model else [])]


def way_back(
    settings: LeadSettings, registry: Registry, verdicts: Mapping[str, Verdict], at: datetime
) -> WayBack | None:
    """To the newest version before the one that judges that is fit, by `verdicts`, and that workers can load.

    None: what judges may stay, or nothing better is at hand. An announcement bears the time of the first promotion (`at`:
    where there was none), since its model judged before: what is old is no challenger, and puts off no retraining.
    """
    *before, judging = registry.trail(at_first(settings))
    since = min((one.at for one in registry.promotions), default=at)
    while (version := fall_back_to(judging, before, verdicts)) is not None:
        try:
            return WayBack(version, _announcements(settings, registry, version, since))
        except ModelInvalid as error:
            logger.warning("there is no way back to %s: %s", version, error)
            before = [one for one in before if one != version]
    return None


def _announcements(
    settings: LeadSettings, registry: Registry, version: str, since: datetime
) -> tuple[ModelPublished, ...]:
    """What workers lack. Raises ModelInvalid where they could not load it."""
    from agents.model import checked, read  # noqa: PLC0415 - LightGBM takes a third of a second to import
    from agents.parcel import open_parcel, pack  # noqa: PLC0415 - likewise

    if version == RULE_VERSION:
        return ()
    if version in registry.published:
        open_parcel(registry.published[version])
        return ()
    folder = settings.models / version
    model = read(folder)
    checked(model, str(folder))
    return (pack(model, since),)
