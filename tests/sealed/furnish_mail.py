"""What people of an organization set up before mail comes back to it; run as a process of its own inside of the house.

python -m tests.sealed.furnish_mail RELAY WAYS      prints what comes in where; WAYS: JSON, name -> URL of a mailbox
"""

import json
import sys

from samizdat.cli.bootstrap import now, open_house
from tests.sealed.living import FIRST, LAST, LETTERS, address

PEOPLE = 16
SECRET = "key"


def main(relay: str, ways: dict[str, str]) -> dict[str, object]:
    open_house()
    from samizdat.accounts.actions import change_settings
    from samizdat.accounts.models import Organization
    from samizdat.delivery import actions as delivery
    from samizdat.delivery.actions import domains, route_webhooks
    from samizdat.incoming.mailboxes import actions as mailboxes
    from samizdat.incoming.seeds import mailboxes as seeds

    organization = Organization.objects.get()
    ours = "news@lantern.example"
    change_settings(
        organization, by=None, now=now(), return_address="bounces@lantern.example", unsubscribe_mailbox=ours
    )
    domains.add_domain(organization, "lantern.example", now=now(), algorithms=("ed25519",))
    route = delivery.add_route(organization, "main", relay, now=now())
    for name in ("bounces", "pop3"):
        mailboxes.add(organization, name, ways[name], now=now())
    mailboxes.add(organization, "kept", ways["kept"], now=now(), move_to="Read")
    seeds.add(organization, "post", address(900), ways["seed"], now=now())
    hook = route_webhooks.set_webhook(route, "mailgun", secret=SECRET, now=now())
    return {"letter": _letter(organization), "hook": hook.address}


def _letter(organization: object) -> int:
    """A letter to everybody, that waits to be sent."""
    from samizdat.audience import actions as audience
    from samizdat.audience.list_details import ListDetails
    from samizdat.campaigns.actions import create
    from samizdat.campaigns.drafts.draft import Draft

    details = ListDetails(from_email="letter@lantern.example")
    public = audience.new_list(organization, LETTERS, now=now(), details=details)
    for number in range(PEOPLE):
        audience.add_subscriber(organization, address(number), public, consent=f"{FIRST} {LAST} said so", now=now())
    draft = Draft(
        subject="What the river took", from_name="Lantern", from_email="letter@lantern.example", body="Hello."
    )
    return create(organization, public, draft, by=None, now=now()).pk


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))))
