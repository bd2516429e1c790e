"""A lead's journey in words, from what was published of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from streams.explain import days


def progress_in_words(told: Mapping[str, Any]) -> str:
    """One change of a lead's journey."""
    stage, left = told["stage"], told["left"]
    advice = f"; next: {told['next_action']}" if told["next_action"] else ""
    match told["change"]:
        case "moved_on" | "moved_back":
            way = "->" if told["change"] == "moved_on" else "back to"
            passed = f", past {', '.join(left['skipped'])}" if left["skipped"] else ""
            return f"{left['stage']} {way} {stage}{passed} ({told['cause']}; {days(left['days'])} in {left['stage']})"
        case "milestone":
            return f"{stage}: {told['cause']} ({100 * told['completion']:.0f} % of the stage)"
        case "blocked":
            return f"{stage}: {told['cause']} is in the way{advice}"
        case _:
            stay = datetime.fromisoformat(told["at"]) - datetime.fromisoformat(told["entered_at"])
            return f"stuck in {stage} for {days(stay.days)}{advice}"
