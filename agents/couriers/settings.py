"""Settings of the couriers, from environment variables `LEADKEEPER_…`."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from agents.channels.email import SmtpServer
from agents.channels.webhook import Endpoint
from agents.settings import ROOT, Settings
from schemas.errors import LeadkeeperError


class EndpointsInvalidError(LeadkeeperError):
    """The endpoints file cannot be read; the text names the entry and the remedy."""


class EndpointEntry(BaseModel):
    """One endpoint in the file; the secret is written there or, better, lies in a file of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    secret: SecretStr | None = None
    secret_file: Path | None = None


Entries = dict[str, dict[Literal["default"], EndpointEntry]]
ENDPOINTS: TypeAdapter[Entries] = TypeAdapter(Entries)


class CourierSettings(Settings):
    """What a courier needs on top."""

    templates_dir: Path = ROOT / "deploy/templates"
    concurrency: Annotated[int, Field(ge=1, le=1000, description="calls to a provider at the same time")] = 50
    retry_poll_s: Annotated[
        float, Field(gt=0, description="how often to look for deliveries that wait for their time")
    ] = 1.0
    doubt_pause_s: Annotated[
        float, Field(ge=0, description="before a message that may have gone out is repeated, where it may be")
    ] = 30.0
    ledger_keep_days: Annotated[
        int, Field(ge=8, description="finished entries; longer than interventions.* keep commands")
    ] = 30

    smtp_host: str = "127.0.0.1"
    smtp_port: Annotated[int, Field(ge=1, le=65_535)] = 25
    smtp_from: str = "Leadkeeper <leadkeeper@localhost>"
    smtp_security: Literal["none", "starttls", "tls"] = "none"
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_timeout_s: Annotated[float, Field(gt=0, le=55)] = 20.0
    smtp_final: Annotated[bool, Field(description="250 means: in the mailbox, not only accepted for relay")] = False
    unsubscribe_url: str = ""

    webhook_endpoints: Path | None = None
    webhook_allow_loopback: bool = False

    def smtp(self) -> SmtpServer:
        """The mail server."""
        return SmtpServer(
            host=self.smtp_host, port=self.smtp_port, sender=self.smtp_from, security=self.smtp_security,
            username=self.smtp_username, password=self.smtp_password, timeout_s=self.smtp_timeout_s,
            final=self.smtp_final, unsubscribe_url=self.unsubscribe_url,
        )  # fmt: skip

    def endpoints(self) -> dict[str, Endpoint]:
        """The webhook endpoints by tenant, from a TOML file with a table `[tenant.default]` for each.

        Raises:
            EndpointsInvalidError: No such file, or a wrong entry.
        """
        if self.webhook_endpoints is None:
            return {}
        try:
            tables = ENDPOINTS.validate_python(tomllib.loads(self.webhook_endpoints.read_text()))
            return {tenant: _endpoint(entry) for tenant, names in tables.items() for entry in names.values()}
        except (OSError, ValueError, ValidationError) as error:
            raise EndpointsInvalidError(
                f"LEADKEEPER_WEBHOOK_ENDPOINTS: {self.webhook_endpoints.name}: {error}"
            ) from error


def _endpoint(entry: EndpointEntry) -> Endpoint:
    if (entry.secret is None) == (entry.secret_file is None):
        raise ValueError(f"{entry.url}: give either secret or secret_file")
    secret = entry.secret if entry.secret_file is None else SecretStr(entry.secret_file.read_text().strip())
    assert secret is not None
    return Endpoint(entry.url, secret)
