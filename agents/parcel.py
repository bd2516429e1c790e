"""A trained model as one record of `policies`, so that a worker on any machine has it from the broker alone.

150 trees of 15 leaves are about 230 kB of text and 80 kB as a record; the topic takes records of 1 MiB.
"""

import base64
import zlib
from datetime import datetime

from agents.manifest import Manifest
from agents.model import LightGbmScorer, TrainedModel, checked
from schemas import topics
from schemas.errors import ModelInvalid
from schemas.policies import ModelPublished

ROOM = topics.POLICIES.max_bytes - 4_096
"""Bytes of a value that fit, beside key and record headers, into what writer and broker take."""
LONGEST_TEXT = 64 << 20
"""Bytes of text that a record may unfold to."""


def pack(model: TrainedModel, at: datetime) -> ModelPublished:
    """The record of a model.

    Args:
        model: what to publish.
        at: now.

    Raises:
        ModelInvalid: It does not fit into a record.
    """
    manifest = model.manifest
    made = ModelPublished(
        id=f"model-{manifest.version}",
        tenant="*",
        at=at,
        version=manifest.version,
        manifest=manifest.model_dump(mode="json"),
        text=_deflated(model.text),
        hazard=_deflated(model.hazard) if model.hazard else None,
    )
    if (size := len(made.model_dump_json())) > ROOM:
        raise ModelInvalid(
            f"{manifest.version} makes a record of {size:,} bytes, {topics.POLICIES.name} takes "
            f"{ROOM:,}; train with fewer trees"
        )
    return made


def unpack(record: ModelPublished) -> TrainedModel:
    """The model in a record, not checked yet. Raises ModelInvalid when it cannot be read."""
    where = f"model {record.version} on {topics.POLICIES.name}"
    try:
        manifest = Manifest.model_validate(record.manifest)
        text, hazard = (_inflated(part) if part else b"" for part in (record.text, record.hazard))
    except (ValueError, zlib.error) as error:  # pydantic's and base64's are ValueErrors
        raise ModelInvalid(f"{where} cannot be read ({str(error).splitlines()[0]}); publish it again") from None
    if manifest.version != record.version:
        raise ModelInvalid(f"{where} holds {manifest.version}; publish it again")
    return TrainedModel(text, manifest, hazard)


def open_parcel(record: ModelPublished) -> LightGbmScorer:
    """The model in a record, ready to score. Raises ModelInvalid when it may not be used here, with the reason."""
    return checked(unpack(record), f"{topics.POLICIES.name}: {record.version}")


def _deflated(text: bytes) -> str:
    return base64.b64encode(zlib.compress(text, 9)).decode()


def _inflated(part: str) -> bytes:
    unfold = zlib.decompressobj()
    text = unfold.decompress(base64.b64decode(part, validate=True), LONGEST_TEXT)
    if not unfold.eof:
        raise ValueError(f"it is cut off, or longer than {LONGEST_TEXT:,} bytes")
    return text
