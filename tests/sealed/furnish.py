"""What people of an organization set up before a letter goes out; run as a process of its own inside of the house.

python -m tests.sealed.furnish PORT     prints the number of the letter that is ready to be sent
"""

import sys

from samizdat.audience.list_details import ListDetails
from samizdat.cli.bootstrap import now, open_house
from tests.conftest import PASSWORD
from tests.sealed import living as words


def main(port: int) -> int:
    open_house()
    from samizdat.accounts import actions as accounts
    from samizdat.accounts.models import Organization
    from samizdat.audience import actions as audience
    from samizdat.delivery import actions as delivery
    from samizdat.delivery.actions import domains

    organization = Organization.objects.get()
    admin = accounts.add_person(words.ADMIN_ADDRESS, name=words.ADMIN_NAME, password=PASSWORD, today=now().date())
    accounts.give_role(admin, organization, "admin", by=None, now=now())
    accounts.invite(organization, "viewer", note=f"{words.GUEST}@{words.GUEST}.example", by=admin, now=now())
    secret = audience.new_list(organization, f"{words.LIST} Weekly", now=now(), by=admin)
    audience.add_subscriber(organization, words.address(9001), secret, consent=f"{words.NOTE} in person", now=now())
    url = f"smtp+plain://{words.ROUTE_USER}:{words.ROUTE_PASSWORD}@127.0.0.1:{port}"
    delivery.add_route(organization, "main", url, now=now(), by=admin)
    url = f"smtps://{words.ROUTE_USER}@{words.ROUTE_HOST}.example"
    spare = delivery.add_route(organization, "spare", url, password=words.ROUTE_PASSWORD, priority=90, now=now())
    delivery.pause_route(spare, now=now(), by=admin)
    domain = domains.add_domain(organization, "lantern.example", now=now(), by=admin)
    for key in domain.keys.select_related("domain__organization"):
        domains.say_published(key, now=now(), by=admin)
    domains.activate_published(domain, now=now(), by=admin)
    return write(organization, secret, admin)


def write(organization: object, secret: object, admin: object) -> int:
    """A draft that stays one, saved twice, and a letter with a reader's name in it on a list that has a form."""
    from samizdat.audience import actions as audience
    from samizdat.campaigns.actions import create, save
    from samizdat.campaigns.drafts.draft import Draft
    from samizdat.worker.publishing.publish import list_as_form

    draft = Draft(
        subject=f"{words.SUBJECT} at dawn",
        preheader=words.BODY,
        from_name=words.ADMIN_NAME,
        from_email=words.ADMIN_ADDRESS,
        body=f"# {words.SUBJECT}\n\n{words.BODY} {words.BODY}, {{{{ FNAME }}}}\n" * 40,
    )
    campaign = create(organization, secret, draft, by=admin, now=now())
    save(campaign, draft.with_(subject=f"{words.SUBJECT} at dusk"), version=1, by=admin, now=now())
    details = ListDetails(from_email="letter@lantern.example")
    public = audience.new_list(organization, words.LETTERS, now=now(), by=admin, details=details)
    audience.give_form(public, "thursday", now=now(), by=admin)
    list_as_form(public)
    letter = Draft(
        subject="What the river took",
        from_name="Lantern",
        from_email="letter@lantern.example",
        body="Dear {{ FNAME }} {{ LNAME }},\n\n[the river](https://lantern.example/river)\n",
    )
    return create(organization, public, letter, by=admin, now=now()).pk


if __name__ == "__main__":
    print(main(int(sys.argv[1])))
