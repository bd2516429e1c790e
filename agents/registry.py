"""What `policies` holds of models, for people: which are published, which was put in force when."""

from collections.abc import Sequence
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

    def told(self, value: bytes) -> "Registry":
        """The same with one more record of `policies`; what is not about models, or cannot be read, changes nothing."""
        try:
            one = PUBLISHED.validate_json(value)
        except ValidationError:
            return self  # the workers have logged it
        if isinstance(one, ModelPublished):
            known = sorted((self.published | {one.version: one}).values(), key=lambda each: each.at)
            return self._replace(published={each.version: each for each in known})
        if isinstance(one, ModelPromoted):
            return self._replace(promotions=sorted([*self.promotions, one], key=lambda each: each.at))
        return self

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

    @property
    def challenger(self) -> str | None:
        """The newest version that was published since the last promotion and was never in force; None: there is none."""
        since = self.promotions[-1].at if self.promotions else None
        been = {one.version for one in self.promotions}
        new = [v for v, one in self.published.items() if v not in been and (since is None or one.at > since)]
        return new[-1] if new else None

    def before(self, at_first: Sequence[str] = ()) -> str | None:
        """The version that was in force before the one that is: where a rollback goes; None: nothing was before it.

        A rollback leads to the version that its target replaced, so that a second one goes further back, not forth.
        """
        trail = self.trail(at_first)
        return trail[-2] if len(trail) > 1 else None

    def trail(self, at_first: Sequence[str] = ()) -> list[str]:
        """The versions that led to the one in force, which is the last, oldest first; those gone back from are left out.

        Args:
            at_first: what judged before anything was promoted (`agents.going_back`).
        """
        trail: list[str] = []
        for version in (*at_first, *(p.version for p in self.promotions if p.share is None)):
            if version in trail:
                del trail[trail.index(version) + 1 :]
            else:
                trail.append(version)
        return trail


async def read_registry(bootstrap: str, prefix: str) -> Registry:
    """Read all of `policies`. Raises Unavailable where the topic does not exist."""
    registry = Registry({}, [])
    async for record in read_topics(bootstrap, [prefix + topics.POLICIES.name]):
        registry = registry.told(record.value or b"")
    return registry
