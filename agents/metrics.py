"""Every metric, declared once, in the units of its name. Labels come from fixed sets; never a lead, an id or an address."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=REGISTRY)


# Lead agent
EVENTS = _counter("leadkeeper_events_total", "Records folded, by type.", "type")
DUPLICATES = _counter("leadkeeper_duplicates_total", "Events dropped because their id was seen before.")
SKIPPED = _counter("leadkeeper_skipped_total", "Records seen again after a crash or rebalance.", "by")
DEAD_LETTERS = _counter(
    "leadkeeper_dead_letters_total", "Records that could not be used, by reason.", "topic", "reason"
)
ASSESSMENTS = _counter("leadkeeper_assessments_total", "Assessments published, by stage.", "stage")
STAGE_MOVES = _counter("leadkeeper_stage_moves_total", "Leads that changed stage.", "before", "after")
DECISIONS = _counter(
    "leadkeeper_decisions_total", "Decisions, by verdict, rule and channel.", "verdict", "rule", "channel"
)
ESCALATIONS = _counter("leadkeeper_escalations_total", "Escalations, by status.", "status")
JOURNEYS = _counter(
    "leadkeeper_journey_changes_total",
    "Leads that moved on or back, met a milestone or blocker, got stuck.",
    "change",
)
EPISODES = _counter("leadkeeper_episodes_total", "Churn episodes opened, and closed by how they ended.", "event")
RECEIPTS = _counter("leadkeeper_receipts_total", "Receipts folded, by status.", "status")
LOOKS = _counter("leadkeeper_silent_looks_total", "Times a silent lead was looked at by a tick.")
LEADS = _gauge("leadkeeper_leads", "Leads held in memory.", "partition")
STREAM_TIME = _gauge("leadkeeper_stream_time_seconds", "Largest event time seen, Unix time.", "partition")
REFUSED = _counter(
    "leadkeeper_refused_versions_total",
    "Policies and models on `policies` that this worker cannot use; its log says why.",
)
COMMAND_LATENCY = Histogram(
    "leadkeeper_event_to_command_seconds",
    "From a record's arrival at the broker to the broker's acknowledgement of what followed from its round.",
    buckets=_FAST,
    registry=REGISTRY,
)
FOLD_SECONDS = Histogram(
    "leadkeeper_fold_seconds", "Time of one fold of one partition.", buckets=_FAST, registry=REGISTRY
)

# Lane: lead agent, couriers and report agent
LAG = _gauge("leadkeeper_lag_records", "Records waiting.", "topic", "partition")
REWINDS = _gauge("leadkeeper_rewinds", "Gaps in what was fetched that were fetched again, since start.")
DATA_LOSS = _gauge("leadkeeper_data_loss_records", "Records that retention deleted before they were read, since start.")
ROUNDS = _gauge("leadkeeper_rounds", "Rounds finished since start.")
RECORDS = _gauge("leadkeeper_records", "Records in finished rounds since start.")
STALE_ROUNDS = _gauge("leadkeeper_stale_rounds", "Rounds dropped because the group had moved on, since start.")
RECOVERED = _gauge("leadkeeper_recovered_records", "State records read back, since start.")
RECOVERY_SECONDS = _gauge("leadkeeper_recovery_seconds", "Time spent reading state back, since start.")
LAST_COMMIT = _gauge("leadkeeper_last_commit_seconds", "When offsets were last committed, Unix time.")
PAUSED = _gauge("leadkeeper_paused_partitions", "Partitions that the dead-letter breaker has stopped.")

# Couriers
SENDS = _gauge("leadkeeper_sends", "Commands finished since start, by channel and state.", "channel", "state")
PROVIDER_ANSWERS = _gauge("leadkeeper_provider_answers", "Answers of the provider since start.", "channel", "kind")
REJECTED_COMMANDS = _gauge(
    "leadkeeper_rejected_commands", "Command records that could not be used, since start.", "channel", "reason"
)
IN_DOUBT = _gauge("leadkeeper_in_doubt", "Times nobody knew whether a message went out, since start.", "channel")
WAITING = _gauge("leadkeeper_waiting_deliveries", "Deliveries that wait for their time.", "channel")
PROVIDER_SECONDS = _gauge("leadkeeper_provider_seconds", "Time spent in provider calls, since start.", "channel")

# Report agent
UNREADABLE = _counter(
    "leadkeeper_unreadable_records_total", "Records of our own topics that somebody else wrote.", "topic", "reason"
)
STAGE_LEADS = _gauge("leadkeeper_stage_leads", "Leads now in each stage.", "stage")
OUTCOMES = _counter("leadkeeper_outcomes_total", "Final outcomes of interventions.", "channel", "outcome", "arm")
EPISODE_ENDS = _counter("leadkeeper_episode_ends_total", "Closed churn episodes.", "outcome", "arm")
SAVED_CENTS = _counter(
    "leadkeeper_saved_cents_total", "Value of leads that came back or converted, once per episode.", "arm"
)
OPEN_ESCALATIONS = _gauge("leadkeeper_open_escalations", "Escalations that nobody has resolved.")

# Models: of the version in force, graded every night
LAST_GRADED = _gauge("leadkeeper_last_graded_seconds", "When told risks were last graded, Unix time.")
LAST_LEARNED = _gauge("leadkeeper_last_learned_seconds", "When it was last worked out what was learned, Unix time.")
AGREEMENT = _gauge(
    "leadkeeper_agreement_apart",
    "How far lead.state and what lead.events says of the same leads were apart last: of a feature, of a probability.",
    "what",
)
GRADED_JUDGEMENTS = _gauge("leadkeeper_graded_judgements", "Judgements of the version in force that have come true.")
GRADED_MEASURES = _gauge(
    "leadkeeper_graded_measure",
    "Of these: auc, log_loss, lift_at_10, ece, ece_by_chance, and off (the error that is surely no chance).",
    "measure",
)
GRADED_STAGES = _gauge(
    "leadkeeper_graded_share", "Of leads in a stage: told, seen, and false_alarm (the rest).", "stage", "share"
)
GRADED_AGES = _gauge("leadkeeper_graded_false_alarm_share", "Of warnings, by how long the lead was known.", "age")
WARNING_DAYS = _gauge("leadkeeper_graded_warning_days", "Half of the warnings came so long before the loss, or longer.")
CALIBRATION_BROKEN = _gauge(
    "leadkeeper_calibration_broken", "1: a version that judged, all leads or a share, should not."
)
FELL_BACK = _gauge(
    "leadkeeper_fell_back_seconds", "When a version was last taken out of force by its grade, Unix time."
)
DRIFT = _gauge(
    "leadkeeper_drift_psi", "Population stability index against the leads that were learned from.", "feature"
)
DRIFTED = _gauge("leadkeeper_drifted_features", "Features whose index is above 0.25 and above what chance does.")
CHANGED = _gauge(
    "leadkeeper_changed_seconds",
    "Since when another share goes quiet, or told and seen are otherwise apart (ADWIN), Unix time.",
    "of",
)
SHADOWED = _counter("leadkeeper_shadow_scores_total", "Probabilities of a challenger published, in shadow.")
SHADOW_TIME = _gauge(
    "leadkeeper_shadow_time_seconds", "Stream time that the challenger has reached everywhere, Unix time."
)
