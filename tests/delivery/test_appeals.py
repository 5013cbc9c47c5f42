"""An appeal reaches nobody who takes their yes to appeals back before it is sent."""

from datetime import UTC, datetime

from samizdat.audience.models import Subscription, row_id
from samizdat.core import consent
from samizdat.delivery.actions import release
from tests.delivery.conftest import House, Running, until
from tests.smtp_server import ScriptedServer


def test_who_takes_it_back_while_an_appeal_waits_gets_letters_and_no_appeal(
    house: House, server: ScriptedServer, running: type[Running]
) -> None:
    readers = house.people(6)
    ada, boris, clara, *others = readers
    asked = Subscription.objects.filter(list=house.list)
    house.agree_to_appeals(ada, boris, clara, *others[1:])
    appeal = house.draft()
    appeal.purpose = consent.PURPOSES.index(consent.APPEALS)
    appeal.save(update_fields=["purpose"])
    now = datetime.now(UTC)
    assert release(appeal, now=now).frozen == 5
    asked.filter(subscriber=row_id(house.organization.id, house.number(boris))).update(
        fundraising_verdict=consent.REASONS.index("left")
    )
    house.leave(clara)
    house.route(server)
    letter = house.released()
    with running():
        until(lambda: all(_finished(one) for one in (appeal, letter)))
    appeal.refresh_from_db()
    assert (appeal.accepted, appeal.suppressed) == (3, 2)
    got = server.counts()
    assert {address: got.get(address) for address in readers} == {
        ada: 2, boris: 1, clara: None, others[0]: 1, others[1]: 2, others[2]: 2,
    }  # fmt: skip


def _finished(campaign: object) -> bool:
    campaign.refresh_from_db(fields=["state"])  # type: ignore[attr-defined]
    return campaign.state == "finished"  # type: ignore[attr-defined, no-any-return]
