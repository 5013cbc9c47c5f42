"""All emails together: the strongest status wins, and nobody who left becomes active."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as some

from samizdat.core.evidence.fold import AddressEvidence, Fold
from samizdat.core.evidence.reading import Rules, read
from tests.core.evidence import emails

ADA = "ada@reader.example"
RULES = Rules(frozenset({emails.OWN}))
DAYS = ("Mon, 3 Jan 2022 10:00:00 +0000", "Tue, 3 Jan 2023 10:00:00 +0000")


def folded(*raws: bytes) -> Fold:
    fold = Fold()
    for raw in raws:
        fold.add(read(raw, RULES))
    return fold


def of_ada(*raws: bytes, servers: tuple[str, ...] = (emails.SERVER,)) -> AddressEvidence:
    (evidence,) = folded(*raws).addresses(frozenset(servers))
    return evidence


def test_a_proven_notice_is_a_yes() -> None:
    evidence = of_ada(emails.mailchimp(ADA), emails.mailchimp("Ada@reader.example", day=DAYS[1]))
    assert (evidence.address, evidence.status) == (ADA, "subscribed")
    (entry,) = evidence.entries
    assert (entry.source, entry.first, entry.last, entry.emails) == ("Mailchimp", "2022-01-03", "2023-01-03", 2)


def test_a_notice_that_anybody_could_have_sent_is_none() -> None:
    assert of_ada(emails.mailchimp(ADA, proven=False)).status == "unproven"
    assert of_ada(emails.mailchimp(ADA, server="mx.evil.example")).status == "unproven"
    assert of_ada(emails.mailchimp(ADA), servers=()).status == "unproven"
    assert of_ada(emails.wrote(ADA), emails.mailchimp(ADA, to="x@other.example")).status == "unproven"


def test_whoever_writes_has_agreed_to_nothing() -> None:
    assert of_ada(emails.wrote(ADA)).status == "wrote"


@pytest.mark.parametrize("no", emails.NOES)
@pytest.mark.parametrize("day", DAYS)
def test_a_no_wins_before_a_yes_and_after_it(no: Callable[..., bytes], day: str) -> None:
    evidence = of_ada(no(ADA, day=day), emails.mailchimp(ADA, day=DAYS[0]), emails.mailchimp(ADA, day=DAYS[1]))
    assert evidence.status in {"unsubscribed", "cleaned", "complained"}
    assert evidence.came_back == (day == DAYS[0])


def test_a_no_that_went_to_somebody_else_counts_as_well() -> None:
    assert of_ada(emails.mailchimp(ADA), emails.left(ADA, to="x@other.example")).status == "unsubscribed"
    assert folded(emails.bounce("aunt@family.example", to="x@other.example")).addresses(frozenset()) == []


def test_the_server_of_a_mailbox_is_the_first_in_nearly_all_emails() -> None:
    forged = emails.mailchimp(ADA, server="mx.evil.example")
    assert folded(*[emails.wrote(ADA)] * 9, forged).own_server() == emails.SERVER
    assert folded(*[emails.wrote(ADA)] * 2, forged).own_server() is None
    bare = emails.wrote(ADA).replace(b"Authentication-Results", b"X-Nothing")
    assert folded(*[bare] * 9, forged).own_server() is None
    assert folded().own_server() is None


def test_the_mailbox_of_somebody_else_is_recognized() -> None:
    other = emails.wrote(ADA, to="x@other.example")
    assert folded(other, other).is_foreign
    assert not folded(other, emails.wrote(ADA)).is_foreign
    assert not folded().is_foreign


SAYINGS = some.sampled_from(["yes", "forged", "wrote", "left", "bounce", "complaint", "wants_to_leave"])
PEOPLE = some.sampled_from(["ada", "boris", "vera"])


@given(some.lists(some.tuples(SAYINGS, PEOPLE, some.sampled_from(DAYS)), max_size=12))
def test_nobody_who_left_and_nobody_without_a_yes_is_active_in_any_order(
    mailbox: list[tuple[str, str, str]],
) -> None:
    raws = []
    for saying, person, day in mailbox:
        address = f"{person}@reader.example"
        if saying in ("yes", "forged"):
            raws.append(emails.mailchimp(address, proven=saying == "yes", day=day))
        else:
            raws.append(getattr(emails, saying)(address, day=day))
    for evidence in folded(*raws).addresses(frozenset({emails.SERVER})):
        person = evidence.address.partition("@")[0]
        said = {saying for saying, who, _day in mailbox if who == person}
        agreed = "yes" in said and not said & {"left", "bounce", "complaint", "wants_to_leave"}
        assert (evidence.status == "subscribed") == agreed
