"""Reasons as codes, in the words of the command line."""

# How `campaign send --wait` ended, when not by finishing.
ENDED = {
    "paused": "The campaign is paused. Go on with: samizdat campaign resume ID",
    "cancelled": "The campaign was stopped for good.",
    "fenced": "This copy was restored or cloned and sends nothing until a person releases it: samizdat release",
    "no_route": "No route is live. Look with `samizdat route ls`, mend or add one, and call this again.",
    "wait_limit": "What is left was put off by its servers. `samizdat serve` tries again, or call this again later.",
    "stopped": "Stopped. Call this again to go on.",
    "held": "The campaign is held. It goes out by itself when `samizdat serve` runs.",
    "scheduled": "The campaign is scheduled. It goes out by itself when `samizdat serve` runs.",
}

_CAMPAIGN = {
    "late": "it was more than an hour late, so a person has to resume it",
    "no_route": "no route is live",
    "paused": "paused by a person",
}


def campaign_reason(code: str) -> str:
    return _CAMPAIGN.get(code, code)
