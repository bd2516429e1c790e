"""What the commands that publish policies, or put them in force, look up first: what is known of a version, and for whom."""

from typing import TYPE_CHECKING

from agents.cli.common import fail_for, out, wait
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from streams.policy import Policy


def unannounced_of(settings: LeadSettings, policy: "Policy", *tenants: str) -> list[str]:
    """For whom of these the version still has to be announced; ends with 78 where it is known with other content."""
    from agents.in_force import announced
    from agents.library import policies_of
    from agents.policyfile.known import unannounced

    try:
        return unannounced(policy, list(dict.fromkeys(tenants)), wait(announced(settings)), policies_of(settings))
    except LeadkeeperError as error:
        fail_for(error)


def say_left_behind(settings: LeadSettings, version: str) -> None:
    """Say which tenants lose a policy of their own to a version that is now in force for all leads."""
    from agents.in_force import announced
    from agents.library import policies_of
    from agents.policyfile.known import left_behind

    for tenant, own in left_behind(version, wait(announced(settings)), policies_of(settings)).items():
        out.print(
            f"[yellow]note:[/] {tenant} had version {own} published for it, and has none of its own under {version}: that of "
            f"everyone judges its leads now. `leadkeeper policy activate FILE --share 1 --tenant {tenant}` gives it its own back",
            soft_wrap=True,
        )
