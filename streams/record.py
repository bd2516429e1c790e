"""What is kept in plain objects per lead: profile, consent, the open episode, contacts. Only leads that need one have it.

Times are epoch seconds. Fields are only ever appended, with a default, so that older state can always be read.
"""

from collections import Counter

from msgspec import Struct, field

from schemas.outcomes import Outcome
from schemas.units import Channel, DeliveryStatus
from streams.entries import Borne, Reached, Spent

WATCHED = 1
"""Bit of a row's `flags`: the lead's record has something that any activity, or time, may change."""
TIMED = 2
"""Bit of a row's `flags`: the lead's record has something of its own that only time changes (`LeadRecord.timed`)."""
UNANSWERED = "unanswered_escalation"
"""The step that makes a task of an escalation that nobody acknowledged. It names the escalation, but no operator ordered it."""


class Profile(Struct, array_like=True, gc=False):
    """What is known of the person."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    timezone: str | None = None
    language: str | None = None
    region: str | None = None
    owner: str | None = None
    manager: str | None = None
    value_cents: int | None = None
    preferred_channel: str | None = None


class Contact(Struct, array_like=True, gc=False):
    """One message that went to the lead; the memory behind caps and cooldowns."""

    at: float
    channel: Channel


class Planned(Struct, array_like=True, gc=False):
    """A step that waits for its time."""

    stage: int
    step: str
    channel: Channel
    due: float
    expires: float
    deferrals: int = 0
    by: str = ""
    """Id of the operator's order; empty for the playbook."""
    waits: bool = False
    """Waits for something to be heard, until `due`."""
    action: str = ""
    template: str = ""
    """Of an action that an operator ordered in place of the playbook's steps."""
    asked: float = 0.0
    """When a person was asked to agree; 0: nobody was."""
    approved: str = ""
    """Who agreed."""
    campaign: str = ""
    """Whose step it is; empty: the playbook's of the stage."""
    run: int = 0
    """Which run of a campaign (`LeadRecord.runs`)."""


class Draw(Struct, array_like=True, gc=False, frozen=True):
    """What the lead was drawn for in an experiment, and the chance of it then."""

    experiment: str
    variant: str
    propensity: float


class Intervention(Struct, array_like=True, gc=False):
    """One command, or for a held-out lead the command it would have got, and what became of it."""

    id: str
    at: float
    episode: int
    stage: int
    step: str
    channel: Channel
    held_out: bool
    cost_cents: float
    status: DeliveryStatus = DeliveryStatus.PENDING
    outcome: Outcome = Outcome.PENDING_RESPONSE
    delivered: bool = False
    engaged: bool = False
    responded: bool = False
    final: bool = False
    by: str = ""
    withdrawn: bool = False
    """Taken back before anybody confirmed it as out."""
    campaign: str = ""
    run: int = 0
    draws: list[Draw] = field(default_factory=list)
    """Of the experiments that it was part of."""
    call: bool = False
    """Asks somebody to phone the lead."""


class Answers(Struct, array_like=True, gc=False, frozen=True):
    """Messages by one channel whose outcome is known, and how many were answered; faded to a time."""

    at: float
    messages: float
    answered: float


class Risk(Struct, array_like=True, gc=False):
    """A published probability, and when."""

    at: float
    probability: float


class Episode(Struct, array_like=True):
    """From the first stage to recovery, conversion, churn or expiry."""

    number: int
    opened: float
    peak_stage: int
    peak_probability: float
    held_out: bool
    cost_cents: float = 0.0
    sent: int = 0
    planned: list[Planned] = field(default_factory=list)
    playbook: int = 0
    """The stage whose playbook was begun last; 0: none was."""
    handed_on: int = 0
    """The stage whose playbook was begun because the one before came to nothing; 0: none was."""
    hand_on_at: float = 0.0
    """When the next stage's playbook begins; 0: not by itself."""
    course: list[Risk] = field(default_factory=list)
    """The newest assessments of the episode (`trend`)."""
    undelivered: bool = False
    """Somebody was asked to step in because nothing got through."""


class OpenEscalation(Struct, array_like=True):
    """An escalation that somebody has to acknowledge and resolve."""

    id: str
    at: float
    episode: int
    target: str
    reason: str
    acknowledged: bool = False
    told: list[str] = field(default_factory=list)
    """Who was asked, the one who has it last."""
    due: float = 0.0
    """When the next one is asked, or a snooze ends; 0: nothing is waited for."""
    snoozed: bool = False
    repeats: int = 0
    """How often the same was asked again while it was open."""
    automatic: bool = False
    """Opened by a rule; ends with the episode it belongs to."""
    acknowledged_at: float = 0.0


class Told(Struct, array_like=True, gc=False):
    """What the risk was made of when reasons were last told, to say later what has changed since."""

    at: float
    probability: float
    model: str
    effects: list[int]
    """Of each family, in hundredths of the log-odds."""


class Dated(Struct, array_like=True, gc=False):
    """A day that matters to a campaign, and when it was said; of two words the newer one counts."""

    when: float
    said: float


class Travelled(Struct, array_like=True):
    """Where a lead is on the journey of its policy. Only leads that something was heard of on the way have it."""

    stage: str
    entered: float
    heard: dict[str, float] = field(default_factory=dict)
    """Milestones of this stage, and when they were first reached."""
    blocked: dict[str, float] = field(default_factory=dict)
    """What stood in the way in this stage, and when it was last heard of."""
    changes: int = 0
    """How often something was told of the journey; part of the ids."""
    stalled: bool = False


class Ran(Struct, array_like=True, gc=False):
    """When a campaign was begun last (0: never), and what it was about: an instant that each occasion has of its own."""

    at: float
    about: float


class LeadRecord(Struct, array_like=True):
    """Everything about a lead that is not a number for the model."""

    profile: Profile = field(default_factory=Profile)
    consent: dict[str, bool] = field(default_factory=dict)
    suppressed: dict[Channel, str] = field(default_factory=dict)
    episode: Episode | None = None
    episodes: int = 0
    contacts: list[Contact] = field(default_factory=list)
    interventions: list[Intervention] = field(default_factory=list)
    escalations: list[OpenEscalation] = field(default_factory=list)
    escalated: int = 0
    last_escalation: float = 0.0
    closed: str = ""
    """won, lost or churned; empty while the lead is live."""
    closed_at: float = 0.0
    gone: bool = False
    """Went quiet for good: no further episode until a sign of life."""
    consent_at: dict[str, float] = field(default_factory=dict)
    """When the lead said what `consent` holds, by channel: what it said before that no longer counts."""
    profile_at: float = 0.0
    """When the newest profile event happened: an older one only fills what is unknown."""
    acted: dict[str, float] = field(default_factory=dict)
    """When an action was last taken, for actions with a gap of their own."""
    spent: list[Spent] = field(default_factory=list)

    told: Told | None = None
    """Of the open episode."""
    planned: list[Planned] = field(default_factory=list)
    """Steps of campaigns; those of playbooks are in the episode."""
    journey: Travelled | None = None
    dates: dict[str, Dated] = field(default_factory=dict)
    """Days that campaigns of the policy wait for: the next appointment, the renewal, or by kind of event."""
    campaigns: dict[str, Ran] = field(default_factory=dict)
    runs: int = 0
    """Runs of campaigns so far."""
    wake: float = 0.0
    """When a campaign or the journey wants a look at the lead; 0: not by itself."""
    drawn: dict[str, Draw] = field(default_factory=dict)
    """By experiment, from the first message on that was part of it."""
    borne: list[Borne] = field(default_factory=list)
    """Who was burdened by the lead's escalations, and since which message."""
    answers: dict[str, Answers] = field(default_factory=dict)
    """By channel."""
    reached: list[Reached] = field(default_factory=list)

    def carried(self) -> Counter[str]:
        """How many of the lead's escalations each person has: asked, or taken on. What nobody answered, nobody has."""
        return Counter(o.target for o in self.escalations if o.due or o.acknowledged)

    def open_interventions(self) -> list[Intervention]:
        """Those whose outcome is still open."""
        return [i for i in self.interventions if not i.final]

    def ordered(self) -> bool:
        """Whether something that an operator ordered is still to be done, or may still be answered."""
        planned = [(p.step, p.by) for p in self.episode.planned] if self.episode else []
        sent = [(i.step, i.by) for i in self.open_interventions()]
        return any(by and step != UNANSWERED for step, by in planned + sent)

    def watched(self) -> bool:
        """Whether an activity event has to go through the rules even when the risk does not move."""
        return (
            self.episode is not None
            or bool(self.closed)
            or self.gone
            or any(not i.final for i in self.interventions)
            or any(o.due for o in self.escalations)
            or bool(self.planned)
        )

    def timed(self) -> bool:
        """Whether each look by time goes through the rules: a campaign, also of a later policy, may wait for one."""
        return self.journey is not None or bool(self.dates) or bool(self.wake)

    def all_planned(self) -> list[Planned]:
        """Of the open episode, and of campaigns."""
        return [*(self.episode.planned if self.episode else ()), *self.planned]

    def home_of(self, planned: Planned) -> list[Planned]:
        """The list a step is kept in; the caller knows that an episode is open where it is not of a campaign."""
        if planned.campaign:
            return self.planned
        assert self.episode is not None
        return self.episode.planned

    def belongs(self, i: Intervention) -> bool:
        """Whether what began it may still go on: a campaign, or the open episode."""
        return bool(i.campaign) or (self.episode is not None and self.episode.number == i.episode)
