"""What is wrong with a policy, as it is told to the one who writes it."""

from collections.abc import Sequence
from typing import NamedTuple


class Finding(NamedTuple):
    """What is wrong, at which key, and what to do about it."""

    place: tuple[str | int, ...]
    what: str
    remedy: str

    def __str__(self) -> str:
        """One sentence that names the key."""
        return f"{'.'.join(map(str, self.place))}: {self.what}; {self.remedy}"


class ContradictionError(ValueError):
    """Raised while a policy is read; holds all that was found."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Say them all."""
        super().__init__("; ".join(map(str, findings)))
        self.findings = findings
