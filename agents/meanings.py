"""Whether a model learned from events that meant what they mean now: its vocabulary held against those of policies."""

from collections.abc import Iterable

from agents.manifest import Manifest
from agents.sentiment import READERS
from streams.policy import Policy
from streams.vocabulary import vocabulary_version


def vocabulary_of(policy: Policy) -> str:
    """Names what events mean under a policy, and the language in which texts are read."""
    return vocabulary_version(policy.kinds, policy.language if policy.language in READERS else None)


def meant_otherwise(manifest: Manifest, policies: Iterable[Policy]) -> str:
    """What to say of a model where no policy means by its events what they meant to it; empty: one does, or nobody knows."""
    known = {vocabulary_of(policy): policy.version for policy in policies}
    if not manifest.vocabulary or known.keys() & set(manifest.vocabulary.split()):
        return ""
    ours = ", ".join(f"{version} ({spoken})" for spoken, version in known.items())
    return (
        f"{manifest.version} learned from events that meant something else (vocabulary {manifest.vocabulary}) than under "
        f"policy {ours}: give the policy the kinds of the mapping it was trained with, or train again under this policy"
    )
