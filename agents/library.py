"""Policies and models by version, handed to the fold as its `Env`.

Those in force at first come from files (settings). All later ones come from the log: their content is announced on `policies`,
an `activate` record in the inbox says from where on they count, and each partition's state remembers it. What is announced
while a worker runs is read, checked and loaded beside the fold, so that the order finds it ready. An order for what nobody
has announced before it, or what this program must refuse, is dead-lettered; but a version that a partition's state already
names has to be found, since folding on with another one could not be replayed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from agents import metrics
from agents.policyfile.read import load_policy
from agents.sentiment import reader_of
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError, ModelInvalid, PolicyInvalid, Unavailable
from schemas.events import EVENT, Activate
from schemas.policies import PUBLISHED, ModelPublished, PolicyPublished
from schemas.weights import WeightsPublished
from streams.env import EVERYONE, Env
from streams.policy import Policy, parse_policy
from streams.risk import RuleScorer, Scorer
from streams.rollout import Versions
from streams.vocabulary import ReadMood

logger = logging.getLogger(__name__)
RULE_VERSION = RuleScorer.version
SPARE_MODELS = 3
"""Loaded models kept besides those in force, the newest; each takes 3 MB."""


def policies_of(settings: LeadSettings) -> dict[str, Policy]:
    """Those in force at first, by tenant. Raises PolicyInvalid."""
    own = {path.stem: load_policy(path) for path in _files(settings.tenant_policies)}
    return {EVERYONE: load_policy(settings.policy), **own}


class Library:
    """Everything known so far.

    Args:
        settings: Where the files are and which versions are in force at first.
        home: Key -> partition, for the fold's check.
        partitions: Of the inbox; a tenant's budget is divided by it.
    """

    def __init__(self, settings: LeadSettings, home: Callable[[bytes], int] | None = None, partitions: int = 1) -> None:
        """Load the versions in force at first. Raises PolicyInvalid or ModelInvalid."""
        self._home, self._partitions = home, partitions
        self._address_key = settings.secrets()[0]
        self._told: dict[str, dict[str, tuple[datetime, Policy]]] = {}
        first = policies_of(settings)
        self._first = policy = first[EVERYONE]
        self._tenants = {tenant: own for tenant, own in first.items() if tenant != EVERYONE}
        self._policies = {version: dict(first) for version in ("", policy.version)}
        self._scorers: dict[str, Scorer] = {RULE_VERSION: RuleScorer()}
        self._scorers[""] = _from_folder(settings) if settings.model else self._scorers[RULE_VERSION]
        self._fixed = len(self._scorers)
        self._models: dict[str, ModelPublished] = {}
        self._weights: dict[str, WeightsPublished] = {}
        self.at_once = False
        """Whether an announced model is loaded when it comes: not while a worker reads what was announced long ago."""
        self.env = self._make()

    # -- what is announced

    async def take(self, key: bytes, value: bytes | None) -> None:
        """Keep a record of `policies`. What cannot be used is logged and counted; nothing is raised."""
        if value is None:
            self._models.pop(key.decode(errors="replace").rpartition(":")[2], None)
            return
        try:
            record = PUBLISHED.validate_json(value)
            if isinstance(record, PolicyPublished):
                self._take_policy(record)
            elif isinstance(record, WeightsPublished):
                self._take_weights(record)
            elif isinstance(record, ModelPublished):
                self._models[record.version] = record
                if self.at_once and record.version not in self._scorers:
                    await self._load(record.version)
                    logger.info("model %s was announced, checked and loaded", record.version)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            self._refuse(key.decode(errors="replace"), f"is no announcement ({first['msg']}); publish it again")
        except LeadkeeperError as error:
            self._refuse(key.decode(errors="replace"), str(error))
        except Exception as error:  # one bad announcement may not end every worker, again and again
            logger.exception("an announcement")
            self._refuse(key.decode(errors="replace"), repr(error))

    def _take_policy(self, record: PolicyPublished) -> None:
        """A version is the policy of everyone, with those of single tenants that were announced for it no later.

        So what it means does not depend on which of the announcements a worker happens to read first; and it is for good:
        other content needs another version.
        """
        policy = parse_policy(record.policy, f"policy {record.version} of {record.tenant}")
        told = self._told.setdefault(record.version, {})
        if told.get(record.tenant, (record.at, policy))[1] != policy or self._clashes(record, policy):
            raise PolicyInvalid(f"version {record.version} is known with other content; give the new one a new version")
        told[record.tenant] = record.at, policy
        if EVERYONE in told:
            sealed = told[EVERYONE][0]
            if record.at > sealed:
                raise PolicyInvalid(f"version {record.version} was complete before; publish tenants before everyone")
            ours = {tenant: policy for tenant, (at, policy) in told.items() if at <= sealed}
            self._policies[record.version] = {**self._tenants, **ours}
            self.env = self._make()

    def _take_weights(self, record: WeightsPublished) -> None:
        """Raises PolicyInvalid where the version is known with other content."""
        if self._weights.setdefault(record.version, record).weights != record.weights:
            raise PolicyInvalid(f"weights {record.version} are known with other content; publish a new version")
        self.env = self._make()

    def _clashes(self, record: PolicyPublished, policy: Policy) -> bool:
        """Whether this is the version of the files in force at first, and says something else."""
        file = self._tenants.get(record.tenant, self._first)
        return record.version == self._first.version and policy != file

    def _refuse(self, what: str, why: str) -> None:
        metrics.REFUSED.inc()
        logger.error("refused %s: %s", what, why)

    # -- what is ordered

    def ordered(self, partition: int, values: Iterable[bytes | None]) -> set[Versions]:
        """What valid orders among these records activate on a partition, as far as it is not loaded."""
        found = set()
        for value in values:
            if value is None or b"activate" not in value:
                continue
            try:
                order = EVENT.validate_json(value)
            except ValidationError:
                continue
            if isinstance(order, Activate) and order.partition == partition:
                found.add(Versions(order.policy or "", order.model or "", order.weights or ""))
        return {versions for versions in found if not self._has(versions)}

    async def prepare(self, wanted: Iterable[Versions], catch_up: Callable[[], Awaitable[None]]) -> None:
        """Load what was ordered, so that the fold finds it; read up to the end of the announcements where it is missing.

        What cannot be loaded is logged and left out: the fold then dead-letters the order, with the remedy, and goes on
        judging by the versions in force.
        """
        for versions in wanted:
            try:
                await self.require(versions, catch_up)
            except LeadkeeperError as error:
                logger.error("an activation cannot be followed: %s", error)  # noqa: TRY400 - it says all

    async def require(self, versions: Versions, catch_up: Callable[[], Awaitable[None]]) -> None:
        """Load these versions, if they are not loaded yet.

        Raises:
            Unavailable: A version was never announced, or a policy was refused when it was.
            ModelInvalid: The model that was announced may not be used.
        """
        if self._has(versions):
            return
        await catch_up()
        if versions.policy not in self._policies:
            raise Unavailable(
                f"no usable policy {versions.policy} was announced; `leadkeeper policy activate FILE` does it"
            )
        if versions.weights and versions.weights not in self._weights:
            raise Unavailable(f"weights {versions.weights} were never announced; `leadkeeper learn publish` does it")
        if versions.model not in self._scorers:
            if versions.model not in self._models:
                raise Unavailable(f"model {versions.model} was never announced; `leadkeeper model promote` does it")
            try:
                await self._load(versions.model)
            except ModelInvalid:
                metrics.REFUSED.inc()
                raise

    def spare(self, in_force: Collection[str]) -> None:
        """Drop loaded models but for those in force and the newest few; what is dropped is loaded again when ordered.

        Only between rounds: what a round ordered is in force when it is folded.
        """
        old = [version for version in list(self._scorers)[self._fixed : -SPARE_MODELS] if version not in in_force]
        for version in old:
            del self._scorers[version]
        if old:
            self.env = self._make()

    async def _load(self, version: str) -> None:
        """Raises ModelInvalid."""
        from agents.meanings import meant_otherwise  # noqa: PLC0415 - with the next
        from agents.parcel import open_parcel  # noqa: PLC0415 - LightGBM takes a third of a second to import; not every worker has a model

        scorer = await asyncio.to_thread(open_parcel, self._models[version])
        policies = [policy for tenants in self._policies.values() for policy in tenants.values()]
        if otherwise := meant_otherwise(scorer.manifest, policies):
            logger.warning("%s", otherwise)
        self._scorers[version] = scorer
        self.env = self._make()

    def _has(self, versions: Versions) -> bool:
        learned = not versions.weights or versions.weights in self._weights
        return learned and versions.policy in self._policies and versions.model in self._scorers

    def _make(self) -> Env:
        languages = {policy.language for tenants in self._policies.values() for policy in tenants.values()}
        moods: dict[str, ReadMood] = {
            language: reader for language in languages if language and (reader := reader_of(language))
        }
        weights = {version: record.weights for version, record in self._weights.items()}
        return Env(
            dict(self._policies),
            dict(self._scorers),
            self._home,
            moods=moods,
            partitions=self._partitions,
            weights=weights,
            address_key=self._address_key,
        )


def _from_folder(settings: LeadSettings) -> Scorer:
    from agents.model import load  # noqa: PLC0415 - as above

    folder = settings.models / settings.model
    if not folder.is_dir():
        raise ModelInvalid(f"LEADKEEPER_MODEL={settings.model}: {folder} does not exist; train it, or copy it there")
    scorer = load(folder)
    if scorer.manifest.flags:
        logger.warning(
            "%s, which LEADKEEPER_MODEL puts in force, may have seen the answer in training: %s",
            scorer.version, "; ".join(scorer.manifest.flags),
        )  # fmt: skip
    return scorer


def _files(folder: Path | None) -> list[Path]:
    """Policies of single tenants. Raises PolicyInvalid when there is no such folder."""
    if folder is None:
        return []
    if not folder.is_dir():
        raise PolicyInvalid(
            f"{folder} is no folder; set LEADKEEPER_TENANT_POLICIES to one with a file <tenant>.toml for each"
        )
    return sorted(folder.glob("*.toml"))
