"""Policies and models by version, loaded from files, handed to the fold as its `Env`.

Which version is in force is written in the inbox (`activate`); this only brings the content. A version that cannot be loaded
stops the partition's progress (retried by the caller), since folding on with another one could not be replayed.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

from agents.settings import LeadSettings
from schemas.errors import PolicyInvalid, Unavailable
from streams.env import EVERYONE, Env
from streams.policy import Policy, parse_policy
from streams.risk import RuleScorer, Scorer

_ACTIVATE = re.compile(rb'"type"\s*:\s*"activate"')
_VERSION = {name: re.compile(rb'"' + name + rb'"\s*:\s*"([^"]+)"') for name in (b"policy", b"model")}
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
    """

    def __init__(self, settings: LeadSettings, home: Callable[[bytes], int] | None = None) -> None:
        """Load the versions in force at first. Raises PolicyInvalid or ModelInvalid."""
        self._settings, self._home = settings, home
        policy = load_policy(settings.policy)
        self._policies = {"": {EVERYONE: policy}, policy.version: {EVERYONE: policy}}
        self._scorers: dict[str, Scorer] = {RULE_VERSION: RuleScorer()}
        self._scorers[""] = self._load_model(settings.model) if settings.model else self._scorers[RULE_VERSION]
        self.env = self._make()

    def prepare(self, values: Iterable[bytes | None], versions: Iterable[tuple[str, str]] = ()) -> None:
        """Load what these records activate, and these (policy, model) versions, so that the fold finds them.

        Raises:
            Unavailable: A version is named that is not there yet.
        """
        wanted = list(versions)
        for value in values:
            if value is not None and len(value) < 1024 and _ACTIVATE.search(value):
                found = {name: pattern.search(value) for name, pattern in _VERSION.items()}
                policy, model = found[b"policy"], found[b"model"]
                wanted.append((policy[1].decode() if policy else "", model[1].decode() if model else ""))
        missing = [w for w in wanted if w[0] not in self._policies or w[1] not in self._scorers]
        for policy_version, model_version in missing:
            if policy_version not in self._policies:
                self._policies[policy_version] = {EVERYONE: self._find_policy(policy_version)}
            if model_version not in self._scorers:
                self._scorers[model_version] = self._load_model(model_version)
        if missing:
            self.env = self._make()

    def _make(self) -> Env:
        return Env(dict(self._policies), dict(self._scorers), self._home)

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
