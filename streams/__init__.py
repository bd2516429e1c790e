"""The verbs: what we conclude. Pure functions; no clock, no chance, no network.

In the order of the data (each file holds one rule of the business and is named after it):

    validate      bytes -> event, or Rejected with the field and the remedy
    vocabulary    what each kind of event means: its family, and whether it is a sign of life
    features      one row per lead, decayed counters in columns; the same table online, in training and in batch
    vector        row + time -> the numbers a model sees
    risk          numbers -> probability of going quiet (rule scorer; a trained model has the same face)
    calibrate     raw scores -> honest probabilities (isotonic or Platt)
    explain       why, in words, against the lead's own norm
    health        0-100 with parts; time to churn as a band
    stage         probability -> stage, with hysteresis and dwell
    silence       when to look at a lead again that says nothing
    episode       from the first stage to recovery, conversion, churn or expiry
    playbook      which steps a stage asks for, and when
    consent, holdout, quiet_hours, caps, cooldown    who may not be contacted now, and why
    decide        one arbiter over all of these; every send and non-send is a decision
    escalate      to whom, with what context
    track         receipts and later behaviour -> outcomes
    lead          composes all of it: the fold
    state         durable form of a lead; replay: the fold over a list, without a broker
    deliver, retry    what couriers do with a command
    labels        who really went quiet: training rows from the same fold
    policy        every threshold, typed
"""
