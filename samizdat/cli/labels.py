"""Reasons as codes, in the words of the command line."""

from samizdat.health.words import FENCED

QUIET = "HH:MM-HH:MM [ZONE]"  # How quiet hours are written.

# Of a letter to people who all want a digest: nobody is owed it by itself.
GATHERED = "Its subscribers chose a digest for this list: they get it there."

# How `campaign send --wait` ended, when not by finishing.
ENDED = {
    "paused": "The campaign is paused. Resume it: samizdat campaign resume ID",
    "cancelled": "The campaign was cancelled.",
    "fenced": FENCED,
    "no_route": "No sending route is working. See `samizdat route ls`, fix or add one, and run this again.",
    "barred": (
        "No route can send from the domain of this campaign. See why with `samizdat route ls`. Once it's "
        "fixed: samizdat route resume NAME"
    ),
    "provider": (
        "A mailbox provider rejects our emails; nobody was marked as bounced for it. `samizdat campaign "
        "status ID` says what is missing. Once it's fixed: samizdat campaign resume ID"
    ),
    "keys_locked": "The organization is locked, so nothing is sent. Unlock it with: samizdat keys unlock",
    "wait_limit": "The rest was deferred by mailbox providers. `samizdat serve` tries again, or run this again later.",
    "stopped": "Stopped. Run this again to continue.",
    "held": "The campaign is in its undo window. `samizdat serve` sends it automatically.",
    "scheduled": "The campaign is scheduled. `samizdat serve` sends it automatically.",
}

_CAMPAIGN = {
    "late": "it was more than an hour late, so someone has to resume it",
    "keys_locked": "the organization is locked; unlock it with `samizdat keys unlock`",
    "no_route": "no sending route is working",
    "barred": "no route can send from its domain",
    "provider": (
        "a mailbox provider rejects our emails; fix what is named below, then run `samizdat campaign resume ID`"
    ),
    "person": "paused by a teammate",
    "sender_left": "the person who scheduled it can no longer send; check it, then run `samizdat campaign resume ID`",
    "unreadable": "the locked campaign can't be read, so it isn't sent",
    "untaken": (
        "requests of subscribers, such as unsubscribes, haven't been processed for more than 10 s; if "
        "this lasts, run `samizdat doctor`"
    ),
    "quiet": "quiet hours",
    "wave": "the first batch was sent, and the rest is on hold",
    "test": "its A/B test is running; the rest is waiting for the winner",
    "test_hand": "its A/B test is over; send the winner to the rest with `samizdat campaign choose ID --version A`",
    "limit": "every route has reached its limit",
    "warm_up": "today's warm-up limit is reached",
    "complaints": (
        "too many subscribers reported emails of its list as spam; find out why, then run `samizdat campaign "
        "resume-list ID --reason TEXT`"
    ),
    "refusals": "too many of the first batch bounced; send the rest with `samizdat campaign resume ID`",
}


def campaign_reason(code: str) -> str:
    return _CAMPAIGN.get(code, code)
