"""The failures that cross layers, and what happens next.

    LeadkeeperError
    ├── Rejected            a record cannot be used      -> dead-letter topic, with the reason; work goes on
    ├── StateUnreadable     durable state is damaged     -> stop (exit 70): guessing would lose data
    ├── PolicyInvalid       a policy file is wrong       -> refuse to start (exit 78)
    ├── ModelInvalid        a model file is wrong        -> refuse it; the version in use stays
    ├── MappingInvalid      a replay mapping is wrong    -> refuse to start (exit 78)
    ├── FileMissing         a named file is not there    -> say so (exit 66; a worker: 78)
    ├── AddressKeyUnknown   hashes of an unknown key     -> stop (exit 78): nobody suppressed could be recognised
    └── Unavailable         broker, Redis or provider    -> retry with a deadline, then say what is missing (exit 69)

Failures of one door live beside it: `agents.broker.BrokerUnreachableError` (an Unavailable), `agents.writer.WriterFailedError`
and `RecordTooLargeError`, `agents.couriers.journal.OwnershipLostError`, `agents.couriers.settings.EndpointsInvalidError`,
`agents.channels.templates.UnrenderableError`, `agents.channels.addresses.ForbiddenAddressError`, `agents.cells.BadCell`,
`agents.windows.TooLittleData`, `agents.child.ChildError`, `agents.embedded.EmbeddedUnavailableError`.

A refusal to contact a lead (no consent, cap reached) is not an error: it is a value with a reason in `lead.decisions`.
"""

from enum import StrEnum


class RejectReason(StrEnum):
    """Why a record went to a dead-letter topic."""

    NULL_KEY = "null_key"
    NULL_VALUE = "null_value"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    INVALID_VALUE = "invalid_value"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_VERSION = "unknown_version"
    KEY_MISMATCH = "key_mismatch"
    WRONG_PARTITION = "wrong_partition"
    IN_FUTURE = "in_future"
    ANCIENT = "ancient"
    UNKNOWN_KIND = "unknown_kind"
    BROKEN_ROW = "broken_row"
    CRASH = "crash"


class LeadkeeperError(Exception):
    """Base of all named failures."""


class Rejected(LeadkeeperError):
    """A record that cannot be used, with the field at fault and the remedy."""

    def __init__(self, reason: RejectReason, field: str, message: str, remedy: str) -> None:
        """Keep the parts apart: they become headers of the dead letter."""
        super().__init__(f"{reason}: {field}: {message} ({remedy})")
        self.reason, self.field, self.message, self.remedy = reason, field, message, remedy


class StateUnreadable(LeadkeeperError):
    """Durable state cannot be read or decoded; the text names topic, partition and offset where they are known."""


class PolicyInvalid(LeadkeeperError):
    """A policy file has unknown keys or impossible values."""


class ModelInvalid(LeadkeeperError):
    """A model file does not match its manifest or the feature schema."""


class MappingInvalid(LeadkeeperError):
    """A replay mapping has unknown keys or names columns that do not exist."""


class FileMissing(LeadkeeperError):
    """A file that somebody named is not there."""


class PolicyMissing(PolicyInvalid, FileMissing):
    """There is no such policy file."""


class MappingMissing(MappingInvalid, FileMissing):
    """There is no such mapping, or no such log."""


class AddressKeyUnknown(LeadkeeperError):
    """Suppressed addresses were hashed with a key that is not among ours."""


class Unavailable(LeadkeeperError):
    """A service that is needed does not answer; the message says which and how to start it."""
