"""What a try-out will do: which log, read how, judged by which policy, split where."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agents.eventlog import ReadReport, RejectedRow, read_events
from agents.mapping import Layout
from agents.policyfile.read import load_policy
from agents.rejects import Rejects, check_any
from agents.tryout.feed import Line
from streams.features import DAY
from streams.policy import Policy

LIVE_SHARE = 1 / 3
"""The later part of the log that is streamed live, unless the horizon needs more."""


@dataclass
class Plan:
    """Everything decided before anything starts. Times are epoch seconds."""

    files: list[Path]
    mapping: Layout
    policy: Policy
    lines: list[Line]
    rejected: list[RejectedRow]
    report: ReadReport
    cutoff: float
    end: float
    made_up_contacts: bool

    @property
    def start(self) -> float:
        """Of the log."""
        return self.lines[0].at_ms / 1000

    @property
    def history(self) -> list[Line]:
        """Lines before the cut."""
        return [line for line in self.lines if line.at_ms < self.cutoff * 1000]

    @property
    def live(self) -> list[Line]:
        """Lines from the cut on."""
        return [line for line in self.lines if line.at_ms >= self.cutoff * 1000]

    def write_policy(self, folder: Path) -> Path:
        """The policy with the mapping's vocabulary, where the workers find it."""
        path = folder / "policy.json"
        path.write_text(self.policy.model_dump_json(indent=1))
        return path


def make_plan(
    files: list[Path], mapping: Layout, policy_path: Path, rejects: Rejects, *, cutoff: float | None, contacts: bool
) -> Plan:
    """Read the log and decide where the live part begins.

    Args:
        files: The log.
        mapping: How to read it.
        policy_path: What to judge by.
        rejects: Takes what cannot be used.
        cutoff: Start of the live part; None: the last third, or more where the horizon needs it.
        contacts: Give each lead without an e-mail address one at example.com.

    Raises:
        MappingInvalid: The log has no event at all.
    """
    report = ReadReport()
    lines: list[Line] = []
    rejected: list[RejectedRow] = []
    for item in read_events(files, mapping, report):
        if isinstance(item, RejectedRow):
            rejected.append(item)
            rejects.take(item)
        else:
            lines.append(Line(item.at_ms, item.key, item.value))
    check_any(report, mapping.name, files)
    start, end = lines[0].at_ms / 1000, lines[-1].at_ms / 1000
    if cutoff is None:
        live = max((end - start) * LIVE_SHARE, min(2 * mapping.label.reach, (end - start) / 2))
        cutoff = (end - live) // DAY * DAY
    if contacts and "email" not in mapping.profile:
        lines = with_contacts(lines, mapping.of_tenant)
    return Plan(
        files, mapping, mapping.policy_with(load_policy(policy_path)), lines, rejected, report, cutoff, end,
        contacts and "email" not in mapping.profile,
    )  # fmt: skip


def with_contacts(lines: list[Line], tenant: str) -> list[Line]:
    """Each lead's first line preceded by a profile with a made-up address."""
    met: set[bytes] = set()
    out: list[Line] = []
    for line in lines:
        if line.key not in met:
            met.add(line.key)
            lead = line.key.split(b":", 1)[1].decode()
            at = (
                datetime.fromtimestamp(line.at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            )
            profile = {
                "v": 1, "type": "profile_updated", "id": f"contact-{lead}", "tenant": tenant, "lead": lead, "at": at,
                "email": f"lead-{re.sub('[^A-Za-z0-9.-]', '-', lead).strip('.')}@example.com",
            }  # fmt: skip
            out.append(Line(line.at_ms, line.key, json.dumps(profile, separators=(",", ":")).encode()))
        out.append(line)
    return out
