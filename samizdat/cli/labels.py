"""Reasons as codes, in the words of the command line."""

import shlex

QUIET = "HH:MM-HH:MM [ZONE]"  # How quiet hours are written.

# Of a letter to people who all want a digest: nobody is owed it by itself.
GATHERED = "Its subscribers chose a digest for this list: they get it there."

# How `campaign send --wait` ended, when not by finishing.
ENDED = {
    "paused": "The campaign is paused. Resume it: samizdat campaign resume ID",
    "cancelled": "The campaign was cancelled.",
    "fenced": "This installation was copied, restored or moved, so it sends no campaigns. See what would be sent "
    "and decide: samizdat release",
    "no_route": "No sending route is working. See `samizdat route ls`, fix or add one, and run this again.",
    "barred": (
        "No route can send from the domain of this campaign. See why with `samizdat route ls`. Once it's "
        "fixed: samizdat route resume NAME"
    ),
    "provider": (
        "A mailbox provider rejects our emails; nobody was marked as bounced for it. `samizdat campaign "
        "status ID` says what is missing. Once it's fixed: samizdat campaign resume ID"
    ),
    "wait_limit": "The rest was deferred by mailbox providers. `samizdat serve` tries again, or run this again later.",
    "stopped": "Stopped. Run this again to continue.",
    "held": "The campaign is in its undo window. `samizdat serve` sends it automatically.",
    "scheduled": "The campaign is scheduled. `samizdat serve` sends it automatically.",
}

# Parts of a place that are others now: delivery/copied_installation.PARTS.
PLACES = {
    "machine": "another server",
    "instance": "another server, made from a snapshot",
    "path": "another path",
    "filesystem": "another file system",
    "file": "other files, as after a copy or a restore",
    "born": "files that were created anew, as after a copy or a restore",
    "server": "another PostgreSQL server",
    "database": "another database",
    "table": "tables that were created anew, as after a dump was loaded",
    "epoch": "another copy took over",
    "note": "its data folder was overwritten with a copy",
    "rewound": "its database is in an earlier state, as after restoring a backup",
}

# What sentences about routes and domains say of the app's pages and buttons, and what does the same here.
_IN_THE_APP = (
    ("Correct them under Routes", "Correct them with `samizdat route edit {route} --url -`"),
    ("then press Test", "then run: samizdat route test {route} --to -"),
    (
        "An admin has to publish the records shown under Domains. When Check finds them",
        "Publish what `samizdat domain records DOMAIN` prints. When `samizdat domain check DOMAIN` finds it",
    ),
    (
        "An admin has to publish the records shown under Domains",
        "Publish what `samizdat domain records DOMAIN` prints",
    ),
    (
        "An admin has to publish the record shown under Domains",
        "Publish what `samizdat domain records DOMAIN` prints",
    ),
    (
        "An admin can check SPF, DKIM and DMARC under Domains",
        "Check SPF, DKIM and DMARC with `samizdat domain check DOMAIN`",
    ),
    ("as Domains shows it to admins", "as `samizdat domain records DOMAIN` prints it"),
    ("Add one under Domains (admins only)", "Add one with `samizdat domain add DOMAIN`"),
    ("Add the domain under Domains (admins only)", "Add the domain with `samizdat domain add DOMAIN`"),
    ("press Check again", "run this again"),
    (
        "then press Check and Activate on the domain’s page",
        "then run: samizdat domain check DOMAIN, and samizdat domain activate DOMAIN",
    ),
)

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


def at_terminal(sentence: str, route: str = "NAME") -> str:
    """A sentence of the app, about this route if about any, for somebody who has no buttons."""
    for phrase, here in _IN_THE_APP:
        sentence = sentence.replace(phrase, here.format(route=shlex.quote(route)))
    return sentence
