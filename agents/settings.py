"""Settings of a deployment, from environment variables `LEADKEEPER_…`. What the business may set is in the policy."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams.thresholds import CLOCK

ROOT = Path(__file__).resolve().parent.parent
ClockMode = Literal["wall", "event"]
"""`wall`: time passes by itself. `event`: a replay brings its own time, and ticks with it."""


class Settings(BaseSettings):
    """What every process needs to know."""

    model_config = SettingsConfigDict(env_prefix="LEADKEEPER_", frozen=True, extra="ignore")

    bootstrap: Annotated[str, Field(description="Kafka, host:port[,host:port]")] = "127.0.0.1:9092"
    redis_url: str = "redis://127.0.0.1:6379/0"
    topic_prefix: Annotated[
        str, Field(description="before every topic and group name; lets deployments share a broker")
    ] = ""
    clock: ClockMode = "wall"
    session_timeout_s: Annotated[
        float | None, Field(description="of the consumer groups; empty: what suits the broker")
    ] = None
    commit_interval_s: Annotated[float, Field(gt=0)] = 1.0
    exactly_once: Annotated[
        bool, Field(description="outputs, state and offset of a round in one transaction; the same for every process")
    ] = False
    address_keys: Annotated[
        SecretStr,
        Field(
            description="secret with which suppressed addresses are hashed; after a change the former ones behind it, "
            "separated by commas. The same for lead agents and couriers"
        ),
    ] = SecretStr("")
    metrics_port: Annotated[
        int, Field(ge=0, le=65_535, description="of /metrics, /health and /ready; 0: a free one")
    ] = 0
    metrics_host: str = "127.0.0.1"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def secrets(self) -> list[bytes]:
        """The keys for addresses, the one in use first."""
        return [key.strip().encode() for key in self.address_keys.get_secret_value().split(",")]


class LeadSettings(Settings):
    """What the lead agent needs on top."""

    policy: Annotated[Path, Field(description="policy file in force until the log activates another")] = (
        ROOT / "deploy/policies/real_estate.toml"
    )
    tenant_policies: Annotated[
        Path | None, Field(description="folder with a file <tenant>.toml for each tenant that has a policy of its own")
    ] = None
    models: Annotated[Path, Field(description="folder of trained models, one sub-folder a version")] = ROOT / "models"
    model: Annotated[
        str, Field(description="model version in force until the log activates another; empty: the rule scorer")
    ] = ""
    tick_s: Annotated[float, Field(gt=0, description="seconds between ticks, clock=wall only")] = 10.0
    tick_lag: Annotated[int, Field(ge=0, description="with more records than this waiting, ticks are shed first")] = (
        20_000
    )
    epoch: Annotated[
        int, Field(ge=0, le=30_000, description="raise it by one after lead.events was recreated on purpose")
    ] = 0
    max_records: Annotated[int, Field(ge=1, le=50_000, description="of a round")] = 4000
    crash_limit: Annotated[
        int, Field(ge=1, description="a record by which so many processes have ended is dead-lettered")
    ] = 3
    notes: Annotated[
        Path | None,
        Field(description="folder that survives a crash, for notes of what is being folded; empty: a temporary one"),
    ] = None


class ModelSettings(LeadSettings):
    """What the worker needs that looks after the models, and after what else is learned."""

    grade_at: Annotated[str, Field(pattern=CLOCK, description="when told risks are graded, every day, UTC")] = "03:00"
    grade_action: Annotated[
        Literal["fall_back", "warn"],
        Field(description="when a calibration is broken: go back to the version before, or only say so"),
    ] = "fall_back"
    learn_action: Annotated[
        Literal["publish", "off"],
        Field(
            description="what experiments, offers, channels and hours have shown: put in force every night, or left to commands"
        ),
    ] = "publish"
    retrain_days: Annotated[
        float,
        Field(ge=0, description="a new model is trained after so many days, and put in force only if better; 0: never"),
    ] = 7.0
    reports: Annotated[
        Path, Field(description="folder of the nightly reports, and of what is remembered to grade by; keep it")
    ] = ROOT / "reports"
