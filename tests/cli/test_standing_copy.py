"""`samizdat standing-copy`: one whose record was changed is named and can be removed."""

from typing import Any

from tests.fakes.mailchimp_account import KEY, FakeAccount, MailchimpServer

_ADDED = """
from django.utils import timezone
from samizdat.accounts.models import Organization
from samizdat.portability.account_copies import actions
actions.add(Organization.objects.get(), "mailchimp", {key!r}, now=timezone.now(), endpoint={endpoint!r})
"""
_BROKEN = """
from django.utils import timezone
from samizdat.accounts.models import Organization
from samizdat.portability.models import AccountCopy
now = timezone.now()
AccountCopy.objects.create(organization=Organization.objects.get(), created=now, settings_sealed=bytes(60))
"""


def test_a_record_that_does_not_open_is_named_and_can_be_removed(house: Any) -> None:
    house.django(_BROKEN)
    (broken,) = house.say("standing-copy", "status")["copies"]
    assert "Its record was changed" in broken["error"]
    found = house("doctor", "--json").json["signs"]
    assert [each["state"] for each in found if each["code"] == "copy.broken"] == ["red"]
    assert house.say("standing-copy", "remove", str(broken["id"]), "--yes")["removed"]
    assert house.say("standing-copy", "status")["copies"] == []


def test_a_copy_becomes_lists_drafts_and_sent_campaigns(house: Any) -> None:
    with MailchimpServer(FakeAccount()) as fake:
        house.django(_ADDED.format(key=KEY, endpoint=fake.endpoint))
        house.say("standing-copy", "run")
    done = house.say("standing-copy", "restore")
    assert [each["added"] for each in done["lists"]] == [100]
    assert (done["drafts"], done["sent_campaigns"], done["templates"], done["images"]) == (2, 3, 3, 3)
    again = house.say("standing-copy", "restore", "--contacts-only")
    assert [each["added"] for each in again["lists"]] == [0] and not again["drafts"]
