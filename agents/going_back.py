"""The way back: which versions judged before the one that does, and what workers must be told to load one of them again.

Workers know the model of LEADKEEPER_MODEL as what is in force at first, and not by its name. So before an order names it, it
is announced from the folder of models; what lies neither there nor on `policies` cannot be gone back to.
"""

import logging
from collections.abc import Iterable
from datetime import datetime

from agents.library import RULE_VERSION
from agents.registry import Registry
from agents.settings import LeadSettings
from schemas.errors import ModelInvalid
from schemas.policies import ModelPublished

logger = logging.getLogger(__name__)


def at_first(settings: LeadSettings) -> list[str]:
    """What judged before anything was promoted, oldest first: the rule scorer, and the model of the settings if there is one."""
    return [RULE_VERSION, *([settings.model] if settings.model else [])]


def ways_back(
    settings: LeadSettings, registry: Registry, before: Iterable[str], at: datetime
) -> dict[str, tuple[ModelPublished, ...]]:
    """Those of some versions that workers can load, in the same order, each with what has to be announced for it.

    An announcement bears the time of the first promotion (`at`: where there was none), since the model judged before: what is
    old already is no challenger, and puts off no retraining.
    """
    since = min((one.at for one in registry.promotions), default=at)
    found: dict[str, tuple[ModelPublished, ...]] = {}
    for version in before:
        if version == RULE_VERSION or version in registry.published:
            found[version] = ()
            continue
        try:
            found[version] = (_from_folder(settings, version, since),)
        except ModelInvalid as error:
            logger.warning("there is no way back to %s: %s", version, error)
    return found


def _from_folder(settings: LeadSettings, version: str, at: datetime) -> ModelPublished:
    """Raises ModelInvalid."""
    from agents.model import checked, read  # noqa: PLC0415 - LightGBM takes a third of a second to import
    from agents.parcel import pack  # noqa: PLC0415 - likewise

    folder = settings.models / version
    model = read(folder)
    checked(model, str(folder))
    return pack(model, at)
