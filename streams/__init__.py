"""The verbs: what we conclude. Pure functions; no clock, no chance, no network.

In the order of the data (each file holds one rule of the business and is named after it):

    validate      bytes -> event, or Rejected with the field and the remedy
    vocabulary    what each kind of event means: its family, and whether it is a sign of life
    features      one row per lead, decayed counters in columns; the same table online, in training and in batch
    vector        row + time -> the numbers a model sees
    risk          numbers -> probability of going quiet (rule scorer; a trained model has the same face)
    calibrate     raw scores -> honest probabilities (isotonic or Platt)
    explain       why, in words, against the lead's own norm
    health        0-100 with parts; confidence
    value         what a lead will still spend
    stage         probability -> stage, with hysteresis and dwell
    silence       when to look at a lead again that says nothing
    episode       from the first stage to recovery, conversion, churn or expiry
    playbook      which steps a stage asks for, and when
    planning      playbooks begun, handed on and stopped; steps planned, dropped, taken back
    waiting       steps that wait for something to be heard, or not to be: how a playbook branches
    consent, holdout, quiet_hours, caps, cooldown    who may not be contacted now, and why
    calls         that somebody phones the lead: if it may be, and by day
    recommended   what is left to be done for a lead, most promising first; advised: the same on request, from durable state
    suppression   addresses that nobody may be written to, whichever lead has them: kept as hashes, asked about by couriers
    zone, closed_days    on which clock and calendar quiet hours are read
    budget, approve      what a tenant may spend in a day; what waits for a person's yes
    blast_radius         to how many leads an action goes by itself; beyond, a person decides
    rank, winner  which of several steps goes first; who kept one from going out
    decide        one arbiter over all of these; every send and non-send is a decision
    journey, stuck    where a lead is on its way; being stuck and going back, as numbers for the risk
    campaign      steps that something else than risk begins
    wants         what of leads' activity journey and campaigns listen to
    next_action   what brings a lead on from where it is on its journey
    on_the_way    what events and time mean for them; noted_days, occasions    the days they wait for
    outreach      steps whose time has come: sent, held, deferred, or by the next channel
    wording       what a message may say of its lead
    trend         how the risk has moved lately
    escalate      a person is asked to step in, with what context; merged, passed on, snoozed, resolved
    undelivered   when nothing gets through to the lead
    chain, workload, working_hours    whom: who is at work and has room, and until when they have time to answer
    experiments, variants, draws    texts that take turns, which one a lead gets, and all that it is drawn for
    offers, offering         what is offered at which stage, and to this lead
    channel_choice, send_time    by which channel a step begins, and at which hour, where it may choose
    track         receipts and later behaviour -> outcomes

How they are put together:

    lead          the fold: messages in, outputs and changed state out. Start reading here
    stretch       events between two ticks, in three strokes: features, risk, rules
    strokes       the first two of them, for several partitions at once
    sweep         a tick: the leads whose time has come
    limits, publish    which leads need no rule, in columns; and what is said of them all the same
    rules         all rules, applied to one lead at one moment (a case)
    life          what a case does with signs of life
    hear, orders  what a case does with messages that are no activity, and with orders of operators
    outbox, settle    what a case concluded, as messages; what is known for good
    assess, insight    what an assessment says, and what it says more when a lead enters or leaves a stage
    grounds       what a move of stage rests on, worked out for several leads at once
    partition, desk, record, entries, state    what is held: of a partition, of the moment, of a lead, and its durable form
    ids           derived, never drawn
    rollout       a version that judges a share of the leads; which versions hold for a lead
    env           what the fold is handed besides the log
    policy        everything a tenant may set; its parts in thresholds, plays, lifecycle (journey) and triggers (campaigns)
    contradictions, unreachable, too_late, idle_values, journey_check    what a policy cannot mean, what no lead will ever meet;
                  findings
    replay        the fold over a list, without a broker
    volumes       what a policy would do, counted; where two policies differ
    story         the fold over a told story: events at times, and what is expected to follow

And besides the fold:

    deliver, retry, breaker    what couriers do with a command; when to stop a flood of dead letters
    poison                     which record it is that ends the process, and what becomes of it
    labels, measure, curves    who really went quiet: truth to train on, and how well a score tells it; asked: a label in words
    closed                     from when to when a lead was closed, as it was known
    promotion                  when a new model may take the place of the one that judges
    baselines, leaks, warning  what a model has to beat; signs that it saw the answer; how early it knew
    progress, journey_words    how journeys go, measured; and one of them in words
    grade, segments            how told risks turned out, and whether a version may stay; by stage and by segment
    contacting, accuracy       how to get through to one lead, for people; how right such tellings were
    answered, hours            how often leads answer, by channel and stage; in which hours
    effects                    what playbooks, campaigns and offers change, against leads that were held out
    drift, adwin, outcomes     whether leads, or what becomes of them, are others than those that were learned from
    fallback                   which version judges in place of one that may not
    season, volume, lately     what the same weeks a year ago say of the weeks to come, if only by their volume, and the last weeks
    credit, bandit, intervals  what experiments have shown, how surely, and how often each text is drawn from now on
    hazard                     time to churn: a chance for each week ahead, told as a band and an interval
"""
