"""Reasons as codes, in the words of the command line."""

QUIET = "HH:MM-HH:MM [ZONE]"  # How quiet hours are written.

# Of a letter to people who all want a digest: nobody is owed it by itself.
GATHERED = "Its readers want the letters of this list gathered: they get it by their digest."

# How `campaign send --wait` ended, when not by finishing.
ENDED = {
    "paused": "The campaign is paused. Go on with: samizdat campaign resume ID",
    "cancelled": "The campaign was stopped for good.",
    "fenced": "This installation was copied, restored or moved, so it sends no campaigns. See what would be sent "
    "and decide: samizdat release",
    "no_route": "No route is live. Look with `samizdat route ls`, mend or add one, and call this again.",
    "barred": "No route takes letters from the domain of this campaign. `samizdat route ls` says why; once that is "
    "mended: samizdat route resume NAME",
    "provider": "A mailbox provider refuses our emails; nobody was marked for it. `samizdat campaign status ID` says "
    "what is missing. Once that is mended: samizdat campaign resume ID",
    "wait_limit": "What is left was put off by its servers. `samizdat serve` tries again, or call this again later.",
    "stopped": "Stopped. Call this again to go on.",
    "held": "The campaign is held. It goes out by itself when `samizdat serve` runs.",
    "scheduled": "The campaign is scheduled. It goes out by itself when `samizdat serve` runs.",
}

# Parts of a place that are others now: delivery/copied_installation.PARTS.
PLACES = {
    "machine": "another machine",
    "path": "another path",
    "file": "other files, as after a copy or a restore",
    "server": "another PostgreSQL server",
    "database": "another database",
    "rewound": "its database has gone back in time, as after a backup was put back",
}

# What sentences about routes and domains say of the app's pages and buttons, and what does the same here.
_IN_THE_APP = (
    ("Correct them under Routes", "Correct them with `samizdat route edit {route}`"),
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
    ("An admin can add one under Domains", "Add one with `samizdat domain add DOMAIN`"),
    ("An admin can add the domain under Domains", "Add the domain with `samizdat domain add DOMAIN`"),
    ("press Check again", "run this again"),
    (
        "then press Check and Activate on the domain’s page",
        "then run: samizdat domain check DOMAIN, and samizdat domain activate DOMAIN",
    ),
)

_CAMPAIGN = {
    "late": "it was more than an hour late, so a person has to resume it",
    "no_route": "no route is live",
    "barred": "no route takes letters from its domain",
    "provider": "a mailbox provider refuses our emails; once what is named below is mended, go on with "
    "`samizdat campaign resume ID`",
    "person": "paused by a person",
    "sender_left": "the person who scheduled it can no longer send campaigns; check it, then go on with "
    "`samizdat campaign resume ID`",
    "unreadable": "its frozen letter cannot be read, so nothing of it is sent",
    "untaken": "what subscribers sent, such as unsubscribes, has not been processed for more than 10 s; if this lasts, "
    "look at the worker with `samizdat doctor`",
    "quiet": "these are quiet hours",
    "wave": "the first wave is out, and the rest is held",
    "test": "its versions are being tested, and the rest waits for the one that wins",
    "test_hand": "its versions are tested; `samizdat campaign choose ID --version A` lets the rest go",
    "limit": "every route has used its limit",
    "warm_up": "today's share of the warm-up is used",
    "refusals": "too many of the first wave were refused; `samizdat campaign resume ID` lets the rest go",
}


def campaign_reason(code: str) -> str:
    return _CAMPAIGN.get(code, code)


def at_terminal(sentence: str, route: str = "NAME") -> str:
    """A sentence of the app, about this route if about any, for somebody who has no buttons."""
    for phrase, here in _IN_THE_APP:
        sentence = sentence.replace(phrase, here.format(route=route))
    return sentence
