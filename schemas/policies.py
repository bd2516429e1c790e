"""Versions of what we judge by, on `policies`: policy texts and promoted models, keyed by tenant."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from schemas.units import MessageId, Outgoing, UtcTime


class PolicyPublished(Outgoing):
    """One version of a tenant's policy; `*` is the default for all tenants."""

    v: Literal[1] = 1
    type: Literal["policy_published"] = "policy_published"
    id: MessageId
    tenant: Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9_.-]{1,64})$")]
    at: UtcTime
    version: str
    policy: dict[str, Any]


class ModelPromoted(Outgoing):
    """A model that passed its checks; the files lie in the model folder under `version`."""

    v: Literal[1] = 1
    type: Literal["model_promoted"] = "model_promoted"
    id: MessageId
    tenant: Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9_.-]{1,64})$")]
    at: UtcTime
    version: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    feature_schema: str


Published = PolicyPublished | ModelPromoted
PUBLISHED: TypeAdapter[Published] = TypeAdapter(Annotated[Published, Field(discriminator="type")])
