"""Beside the letter: the tags it can say, and what the checks found."""

from collections.abc import Callable

from django.test import Client
from django.urls import reverse

from samizdat.audience.actions import add_tags
from samizdat.core.mergetags import parse
from tests.conftest import NOW
from tests.web.conftest import House

Desk = Callable[[str], Client]


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organisation.slug, *args])


def test_the_editor_is_offered_every_tag_that_the_letter_can_say(here: House, desk: Desk) -> None:
    add_tags(here.ada, ["Topics: Law"], now=NOW)
    told = desk("editor").get(_to(here, "tags", here.campaign.pk)).json()["tags"]
    by_tag = {one["tag"]: one for one in told}
    assert by_tag["{{ FNAME }}"]["mailchimp"] == "*|FNAME|*" and by_tag["{{ FNAME }}"]["label"]
    assert by_tag["{{ unsubscribe }}"]["group"] == "reader"
    assert any(one["tag"].startswith("*|INTERESTED:Topics:") for one in told)
    fields = [one["tag"].strip("{} ").split()[0] for one in told if one["group"] == "field"]
    for one in told:
        written = one["tag"].replace("…|*", "Law|*", 1) if "INTERESTED" in one["tag"] else one["tag"]
        assert parse(written, [*fields, "INTERESTED:Topics"]).flaws == (), one
