"""What is wrong with a policy file: also what lets it be read, but can never happen, and texts that are missing."""

from pathlib import Path

from agents.policyfile.anyway import further, readable
from agents.policyfile.read import Problem, located, read_policy, read_raw
from agents.policyfile.texts import unrenderable
from streams.policy import Policy
from streams.unreachable import unreachable


def check_policy(path: Path, templates: Path) -> tuple[Policy | None, list[Problem]]:
    """Read a policy file and look for everything that is wrong with it, in the order of its lines.

    Args:
        path: TOML, or JSON as written by a try-out.
        templates: Folder with the message texts its steps name.

    Returns:
        The policy, where it can be read at all, and the problems; no problem: it may be used.

    Raises:
        PolicyInvalid: The file cannot be opened, or is neither TOML nor JSON; names the line.
    """
    policy, problems = read_policy(path)
    if policy is None:
        found = readable(read_raw(path))
        more = located(path, further(found, templates)) if found else []
        return None, sorted(dict.fromkeys([*problems, *more]), key=lambda one: one.line)
    return policy, located(path, [*unreachable(policy), *unrenderable(policy, templates)])
