"""`samizdat standing-copy`: one whose record was changed is named and can be removed."""

from typing import Any

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
