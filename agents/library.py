"""Policies and models by version, loaded from files, handed to the fold as its `Env`.

Which version is in force is written in the inbox (`activate`) and kept with each partition's state; this only brings the
content. An order to activate what is not there is dead-lettered; but a version that a partition's state already names has to
be found, since folding on with another one could not be replayed.
"""

import json
import logging
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import ValidationError

from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError, PolicyInvalid, Unavailable
from schemas.events import EVENT, Activate
from streams.env import EVERYONE, Env
from streams.policy import Policy, parse_policy
from streams.risk import RuleScorer, Scorer

logger = logging.getLogger(__name__)
RULE_VERSION = RuleScorer.version


def load_policy(path: Path) -> Policy:
    """A policy file, TOML or JSON. Raises PolicyInvalid that names the file, the line or the key, and what is expected."""
    try:
        text = path.read_text(encoding="utf-8")
        return parse_policy(json.loads(text) if path.suffix == ".json" else tomllib.loads(text), str(path))
    except OSError as error:
        raise PolicyInvalid(f"{path}: {error.strerror}; set LEADKEEPER_POLICY to a policy file") from error
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise PolicyInvalid(f"{path}: {error}") from error


class Library:
    """Everything loaded so far.

    Args:
        settings: Where the files are and which versions are in force at first.
        home: Key -> partition, for the fold's check.
        partitions: Of the inbox; a tenant's budget is divided by it.
    """

    def __init__(self, settings: LeadSettings, home: Callable[[bytes], int] | None = None, partitions: int = 1) -> None:
        """Load the versions in force at first. Raises PolicyInvalid or ModelInvalid."""
        self._settings, self._home, self._partitions = settings, home, partitions
        policy = load_policy(settings.policy)
        self._tenants = {path.stem: load_policy(path) for path in _files(settings.tenant_policies)}
        self._policies = {version: {EVERYONE: policy, **self._tenants} for version in ("", policy.version)}
        self._scorers: dict[str, Scorer] = {RULE_VERSION: RuleScorer()}
        self._scorers[""] = self._load_model(settings.model) if settings.model else self._scorers[RULE_VERSION]
        self.env = self._make()

    def prepare(self, partition: int, values: Iterable[bytes | None]) -> None:
        """Load what valid orders among these records activate on a partition, so that the fold finds it.

        What cannot be loaded is logged and left out: the fold then dead-letters the order, with the remedy, and goes on
        judging by the versions in force.
        """
        for value in values:
            if value is None or b"activate" not in value:
                continue
            try:
                order = EVENT.validate_json(value)
            except ValidationError:
                continue
            if isinstance(order, Activate) and order.partition == partition:
                try:
                    self.require(order.policy or "", order.model or "")
                except LeadkeeperError as error:
                    logger.error("an activation on partition %d cannot be followed: %s", partition, error)  # noqa: TRY400 - it says all

    def require(self, policy: str, model: str) -> None:
        """Load these versions, if they are not loaded yet.

        Raises:
            Unavailable: A version is not where it should be.
            PolicyInvalid: The policy file is wrong.
            ModelInvalid: The model's files are wrong.
        """
        if policy in self._policies and model in self._scorers:
            return
        if policy not in self._policies:
            self._policies[policy] = {EVERYONE: self._find_policy(policy), **self._tenants}
        if model not in self._scorers:
            self._scorers[model] = self._load_model(model)
        self.env = self._make()

    def _make(self) -> Env:
        return Env(dict(self._policies), dict(self._scorers), self._home, self._partitions)

    def _find_policy(self, version: str) -> Policy:
        folder = self._settings.policy.parent
        for path in sorted(folder.glob("*.toml")):
            policy = load_policy(path)
            if policy.version == version and policy.name == self._policies[""][EVERYONE].name:
                return policy
        raise Unavailable(f"policy version {version} was activated, but no file in {folder} has it; put it there")

    def _load_model(self, version: str) -> Scorer:
        from agents.model import load  # noqa: PLC0415 - LightGBM takes a third of a second to import; not every worker has a model

        folder = self._settings.models / version
        if not folder.is_dir():
            raise Unavailable(f"model {version} was activated, but {folder} does not exist; copy it there or train it")
        return load(folder)


def _files(folder: Path | None) -> list[Path]:
    """Policies of single tenants. Raises PolicyInvalid when there is no such folder."""
    if folder is None:
        return []
    if not folder.is_dir():
        raise PolicyInvalid(
            f"{folder} is no folder; set LEADKEEPER_TENANT_POLICIES to one with a file <tenant>.toml for each"
        )
    return sorted(folder.glob("*.toml"))
