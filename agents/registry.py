"""What `policies` holds of models, for people: which are published, which was put in force when."""

from typing import NamedTuple

from pydantic import ValidationError

from agents.reading import read_topics
from schemas import topics
from schemas.policies import PUBLISHED, ModelPromoted, ModelPublished
from streams.env import EVERYONE


class Registry(NamedTuple):
    """The models of a deployment.

    Attributes:
        published: By version, in the order in which they were announced.
        promotions: Oldest first.
    """

    published: dict[str, ModelPublished]
    promotions: list[ModelPromoted]

    @property
    def in_force(self) -> str | None:
        """The version that was put in force for everybody last; None where none was."""
        return next((p.version for p in reversed(self.promotions) if p.share is None), None)

    @property
    def rolling(self) -> dict[str, ModelPromoted]:
        """By tenant (`*`: of everybody else), what judges only a share of the leads."""
        found: dict[str, ModelPromoted] = {}
        for p in self.promotions:
            if p.share:
                found[p.tenant] = p
            elif p.share is None:
                found.clear()
            else:
                found = {t: r for t, r in found.items() if r.version != p.version or p.tenant not in {EVERYONE, t}}
        return found

    def before(self) -> str | None:
        """The version that was in force before the one that is: where a rollback goes.

        A rollback leads to the version that its target replaced, so that a second one goes further back, not forth.
        """
        trail: list[str] = []
        for version in (p.version for p in self.promotions if p.share is None):
            if version in trail:
                del trail[trail.index(version) + 1 :]
            else:
                trail.append(version)
        return trail[-2] if len(trail) > 1 else None


async def read_registry(bootstrap: str, prefix: str) -> Registry:
    """Read all of `policies`. Raises Unavailable where the topic does not exist."""
    published: list[ModelPublished] = []
    promotions: list[ModelPromoted] = []
    async for record in read_topics(bootstrap, [prefix + topics.POLICIES.name]):
        try:
            one = PUBLISHED.validate_json(record.value or b"")
        except ValidationError:
            continue  # the workers have logged it
        if isinstance(one, ModelPublished):
            published.append(one)
        elif isinstance(one, ModelPromoted):
            promotions.append(one)
    published.sort(key=lambda one: one.at)
    return Registry({one.version: one for one in published}, sorted(promotions, key=lambda one: one.at))
