"""An organization with many subscribers and a letter like a real one: 34 KB of HTML with 2 KB of text, five links."""

import secrets
from datetime import UTC, datetime
from typing import Any

SENTENCE = (
    "Grüße aus der Redaktion: Über die Anhörung im Oberlandesgericht berichten wir ausführlich, "
    "weil außer uns niemand im Saal war. "
)
LINKS = 5
DOMAIN = "nordlicht.example"
# What editors of other services wrap around every paragraph; most of a newsletter's HTML is this.
STYLE = (
    "margin:0;padding:0 24px 16px 24px;color:#222222;background-color:#ffffff;font-family:Georgia,Times,serif;"
    "font-size:16px;line-height:24px;text-align:left;border-collapse:collapse;mso-line-height-rule:exactly"
)


def letter(rows: int = 29) -> str:
    """HTML with the reader's name twice, five links and German words, so that quoted-printable is real work.

    33 rows make 34 KB of HTML, 3 KB of text and headers, and 36.9 KB on the wire; 29 rows make 33.8.
    """
    parts = ["<h1>Nordlicht</h1><p>Liebe {{ FNAME }},</p>"]
    for row in range(rows):
        words = SENTENCE if row % 4 == 0 else "&nbsp;"
        parts.append(
            f'<table role="presentation" width="100%" style="{STYLE}"><tr><td style="{STYLE}">{words}</td></tr></table>'
        )
        if row % 8 == 0:
            place = row // 8 + 1
            parts.append(f'<p><a href="https://nordlicht.example/artikel/{place}">Artikel {place}</a></p>')
    parts.append("<p>Danke, {{ FNAME }}.</p>")
    return "".join(parts)


class Bench:
    """The organization of a benchmark; made in the data folder that is open."""

    def __init__(self, people: int, domains: int = 50) -> None:
        from django.db import transaction

        from samizdat.accounts.actions import found_organization
        from samizdat.audience import bulk_insert
        from samizdat.audience.actions import new_list
        from samizdat.audience.tags_and_fields import fields_for
        from samizdat.vault import keyring

        today = datetime.now(UTC).date()
        self.organization = found_organization(
            "Nordlicht", source=keyring.open_source(), today=today, public_url="https://nordlicht.example"
        )
        self.keys = keyring.keys(self.organization)
        self.list = new_list(self.organization, "Rundbrief", now=datetime.now(UTC))
        with transaction.atomic():
            self.field = fields_for(self.organization, self.keys, {"FNAME": "Vorname"})["FNAME"]
        self._add(people, domains)
        # As an import leaves it; else the database's own housekeeping of it would count as sending.
        bulk_insert.learn_sizes()

    def _add(self, people: int, domains: int) -> None:
        from samizdat.accounts.models import Organization
        from samizdat.audience import headcount, sealed_subscribers
        from samizdat.audience.models import Subscriber, Subscription, row_id
        from samizdat.core.crypto import seal

        today = datetime.now(UTC).date()
        Organization.objects.filter(id=self.organization.id).update(next_number=people + 1)  # Walks end there.
        for first in range(1, people + 1, 5000):
            rows = []
            for number in range(first, min(first + 5000, people + 1)):
                address = f"leserin{number}@mail{number % domains}.example"
                values, index = {seal.ADDRESS: address, self.field: f"Ada {number}"}, self.keys.blind(address)
                rows.append(
                    Subscriber(
                        id=row_id(self.organization.id, number),
                        organization=self.organization,
                        sealed=sealed_subscribers.sealed(self.keys, values, number, index),
                        email_index=index,
                        joined=today,
                    )
                )
            Subscriber.objects.bulk_create(rows)
            headcount.add(self.organization.id, len(rows))
            Subscription.objects.bulk_create(
                Subscription(subscriber=row, list=self.list, status=1, mail_verdict=1, since=today) for row in rows
            )

    def listed(self, count: int) -> Any:
        """Another list, with the first `count` people on it."""
        from samizdat.audience import bulk_insert
        from samizdat.audience.actions import new_list
        from samizdat.audience.models import Subscription, row_id

        now = datetime.now(UTC)
        made = new_list(self.organization, f"Rundbrief {count}", now=now)
        for first in range(1, count + 1, 5000):
            Subscription.objects.bulk_create(
                Subscription(
                    subscriber_id=row_id(self.organization.id, number),
                    list=made,
                    status=1,
                    mail_verdict=1,
                    since=now.date(),
                )
                for number in range(first, min(first + 5000, count + 1))
            )
        bulk_insert.learn_sizes()
        return made

    def sign_with(self, algorithms: tuple[str, ...]) -> None:
        """From now on letters are signed with keys of these kinds, and no others."""
        from samizdat.delivery.actions.domains import add_domain
        from samizdat.delivery.models import DkimKey, SendingDomain

        if not SendingDomain.objects.filter(organization=self.organization).exists():
            add_domain(self.organization, DOMAIN, now=datetime.now(UTC))
        # There are no name servers here to see the records.
        DkimKey.objects.update(state="published")
        DkimKey.objects.filter(algorithm__in=algorithms).update(state="active")

    def campaign(self, rows: int = 33, to: Any = None) -> Any:
        """A released campaign to everybody, or to another list."""
        from samizdat.campaigns.actions import create
        from samizdat.campaigns.drafts.draft import Draft
        from samizdat.delivery.actions import release

        draft = Draft(
            subject="Nordlicht im November",
            from_name="Nordlicht",
            from_email=f"redaktion@{DOMAIN}",
            body=letter(rows),
            format="html",
        )
        now = datetime.now(UTC)
        return release(create(self.organization, to or self.list, draft, by=None, now=now), now=now)

    def route(self, port: int, connections: int | None = None, **how: Any) -> Any:
        """A route to a server on this machine. connections: None leaves it to the route."""
        from samizdat.delivery.actions import add_route

        return add_route(
            self.organization,
            f"sink {secrets.token_hex(3)}",
            f"smtp+plain://127.0.0.1:{port}",
            now=datetime.now(UTC),
            connections=connections,
            **how,
        )

    def only_route(self, port: int, connections: int | None = None) -> Any:
        """The same, and no other route is used any more."""
        from samizdat.delivery.models import Route

        Route.objects.filter(organization=self.organization).update(state="paused")
        return self.route(port, connections)


def sample(campaign: Any) -> bytes:
    """One message of a released campaign, as it goes out."""
    from samizdat.audience.models import Subscriber
    from samizdat.delivery.engine.edition_loader import open_edition

    opened = open_edition(campaign.edition.pk)
    row = Subscriber.objects.filter(organization=campaign.organization).first()
    assert row is not None
    (addressed,) = opened.letterer.address([(row.number, opened.opener.open(bytes(row.sealed), row.number))])
    addressed.values["DATE"] = "Mon, 01 Jan 2024 00:00:00 +0000"
    return opened.maker(addressed.values)
