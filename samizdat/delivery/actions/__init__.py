"""Verbs that change what is owed and how it goes out."""

from samizdat.delivery.actions.ab_test import choose
from samizdat.delivery.actions.copied_installation import lift as lift_fence
from samizdat.delivery.actions.delivery_retention import fold, foldable, rows_of, unsettled
from samizdat.delivery.actions.due import finish_if_done, retry_due, start_due
from samizdat.delivery.actions.releasing import release
from samizdat.delivery.actions.resend_unreached import resend
from samizdat.delivery.actions.routes import (
    add_route,
    change_route,
    condemn,
    pause_route,
    probe_route,
    remove_route,
    resume_route,
)
from samizdat.delivery.actions.running import cancel, pause, resume, settle, written_again
from samizdat.delivery.actions.sender_bans import lift as lift_bar
from samizdat.delivery.actions.testing import send_probe, send_test
from samizdat.delivery.actions.unrelease import take_back
from samizdat.delivery.actions.workers import forget

__all__ = [
    "add_route",
    "cancel",
    "change_route",
    "choose",
    "condemn",
    "finish_if_done",
    "fold",
    "foldable",
    "forget",
    "lift_bar",
    "lift_fence",
    "pause",
    "pause_route",
    "probe_route",
    "release",
    "remove_route",
    "resend",
    "resume",
    "resume_route",
    "retry_due",
    "rows_of",
    "send_probe",
    "send_test",
    "settle",
    "start_due",
    "take_back",
    "unsettled",
    "written_again",
]
