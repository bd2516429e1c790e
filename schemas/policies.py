"""What we judge by, on `policies`: texts of policies, whole models, what was learned, and which model was put in force when.

A worker needs nothing else: what an `activate` record of the inbox names was announced here before, content and all. Each
version has a key of its own (`key_of`), so that compaction keeps every one of them.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from schemas.units import MessageId, Outgoing, Probability, UtcTime, Whose
from schemas.weights import WeightsPublished


class PolicyPublished(Outgoing):
    """One version of a tenant's policy; `*` is the default for all tenants."""

    v: Literal[1] = 1
    type: Literal["policy_published"] = "policy_published"
    id: MessageId
    tenant: Whose
    at: UtcTime
    version: str
    policy: dict[str, Any]


class ModelPublished(Outgoing):
    """A trained model, whole. It judges nothing until an `activate` record names it."""

    v: Literal[1] = 1
    type: Literal["model_published"] = "model_published"
    id: MessageId
    tenant: Whose
    at: UtcTime
    version: str
    manifest: Annotated[dict[str, Any], Field(description="what `manifest.json` of the model folder says")]
    text: Annotated[str, Field(description="LightGBM's text, deflated by zlib, in base64")]
    hazard: Annotated[str | None, Field(description="the same of the model of time to churn; null: there is none")] = (
        None
    )


class ModelPromoted(Outgoing):
    """A model was put in force, in every partition of the inbox: of all leads, or of a share of them."""

    v: Literal[1] = 1
    type: Literal["model_promoted"] = "model_promoted"
    id: MessageId
    tenant: Whose
    at: UtcTime
    version: str
    why: Annotated[str, Field(description="promoted, rolled back, or what a comparison said")]
    share: Annotated[
        Probability | None, Field(description="of the tenant's leads; 0: taken back from them; null: of everybody's")
    ] = None


Published = PolicyPublished | ModelPublished | ModelPromoted | WeightsPublished
PUBLISHED: TypeAdapter[Published] = TypeAdapter(Annotated[Published, Field(discriminator="type")])


def key_of(record: Published) -> bytes:
    """The record's key: `tenant:type:version`; promotions are told apart by their time."""
    name = f"{record.version}@{record.at:%Y%m%dT%H%M%S}" if isinstance(record, ModelPromoted) else record.version
    return f"{record.tenant}:{record.type}:{name}".encode()
