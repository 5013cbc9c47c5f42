"""Verbs of this app. Each writes its event in the transaction of the change."""

from samizdat.privacy.actions.breaches import decide_no_risk, note_breach, tell, write_breach
from samizdat.privacy.actions.reconsent import (
    begin_asking,
    choose,
    close,
    count_consent,
    heard,
    is_over,
    move_out,
    remind,
    silent,
    stay,
    take_back,
    why_not_yet,
    work,
    working,
)
from samizdat.privacy.actions.retention import ExpiringRows, RetentionRules, preview, retain, retain_slice, rules_of

__all__ = [
    "ExpiringRows",
    "RetentionRules",
    "begin_asking",
    "choose",
    "close",
    "count_consent",
    "decide_no_risk",
    "heard",
    "is_over",
    "move_out",
    "note_breach",
    "preview",
    "remind",
    "retain",
    "retain_slice",
    "rules_of",
    "silent",
    "stay",
    "take_back",
    "tell",
    "why_not_yet",
    "work",
    "working",
    "write_breach",
]
