"""Segments over a small invented audience: what the database says is what plain Python says, on both databases."""

import inspect
import re
import sys
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samizdat import db
from samizdat.audience import bulk_insert, sealed_subscribers
from samizdat.audience import numbers as numbers_
from samizdat.audience import sql as audience_sql
from samizdat.audience.actions import (
    FieldShape,
    add_field,
    add_segment,
    change_segment,
    new_list,
    remove_field,
    tags_for,
)
from samizdat.audience.actions.segments import remove_segment
from samizdat.audience.errors import NoName
from samizdat.audience.list_totals import ListTotals
from samizdat.audience.models import STATUSES, Field, ReadableValue, Segment, Tag, row_id
from samizdat.audience.segment_conditions.consent import ConsentCondition
from samizdat.audience.segment_conditions.days import KINDS_OF_DAYS, DayCondition
from samizdat.audience.segment_conditions.field import OPS_OF_KIND, FieldCondition
from samizdat.audience.segment_conditions.fundraising import FundraisingCondition
from samizdat.audience.segment_conditions.language import LanguageCondition
from samizdat.audience.segment_conditions.list_status import ListCondition
from samizdat.audience.segment_conditions.provider import ProviderCondition
from samizdat.audience.segment_conditions.share import ShareCondition
from samizdat.audience.segment_conditions.tag import TagCondition
from samizdat.audience.segments import counts, describe, discovery, lookup, members, sql
from samizdat.audience.segments.errors import (
    NoSuchSegment,
    SegmentBroken,
    SegmentNameTaken,
    SegmentOvertaken,
    SegmentRefused,
)
from samizdat.audience.segments.members import MemberReader
from samizdat.core import consent, fields, segment
from samizdat.core.crypto import seal
from samizdat.core.mail import address
from samizdat.core.segment import All, Not, SealedCondition, SubscriberFacts, registry
from samizdat.core.segment.condition import AnswerSource
from samizdat.delivery import sql as delivery_sql
from samizdat.delivery.segment_conditions.campaign import CampaignCondition
from samizdat.vault import keyring
from tests.conftest import NOW, TODAY
from tests.core.test_segment import CONDITIONS

pytestmark = pytest.mark.django_db

SHAPES = {
    "CITY": FieldShape("text"),
    "AGE": FieldShape("number", readable=True),
    "BORN": FieldShape("date", readable=True),
    "SIZE": FieldShape("choice", choices=("small", "Large"), readable=True),
    "HELPS": FieldShape("yesno", readable=True),
    "SUM": FieldShape("number"),  # sealed
}
VALUES = {
    "CITY": ["", "Riga", "Рига", "Old Riga"],
    "AGE": ["", "7", "12.5", "40"],
    "BORN": ["", "1984-05-23", "2001-01-01"],
    "SIZE": ["", "small", "Large"],
    "HELPS": ["", "yes", "no"],
    "SUM": ["", "5", "12.5", "not a number"],
}


class World:
    """Thirty invented people of Northern Lantern, as facts and as rows."""

    def __init__(self, organization: Any) -> None:
        self.organization = organization
        self.keys = keyring.keys(organization)
        self.lists = [new_list(organization, name, now=NOW).id for name in ("Letter", "Appeals")]
        self.tags = sorted(tags_for(organization, ["Riga", "donors", "Groups: volunteers"]).values())
        self.fields = {tag: add_field(organization, tag, "", now=NOW, shape=shape) for tag, shape in SHAPES.items()}
        Field.objects.filter(organization=organization, readable=True).update(filled=None)
        self.campaigns = [sent_campaign(organization, self.lists[0]) for _ in range(2)]
        self.people = [self.person(number) for number in range(1, 31)]
        self.write()

    def person(self, number: int) -> SubscriberFacts:
        """Different ones by arithmetic: no chance, so that a failure is the same again."""

        def pick(choices: Any, step: int) -> Any:
            return choices[(number * step + number // 3) % len(choices)]

        lists = {}
        for at, one in enumerate(self.lists):
            reason = pick(consent.REASONS, 1 + at)
            if (number + at) % 3:  # Only who is subscribed may be written to or asked, and not each of those.
                asked, status = number % 4 > 1, pick(STATUSES, 2 + at)
                lists[one] = ("subscribed" if reason == "yes" or asked else status, reason)
        return SubscriberFacts(
            number=number,
            tags=frozenset(tag for at, tag in enumerate(self.tags) if (number >> at) % 2),
            language=pick(["", "ru", "en"], 1),
            provider=pick(address.PROVIDERS[:3], 2),
            joined=TODAY - timedelta(days=pick(range(6), 1)),
            confirmed=tuple(TODAY - timedelta(days=pick(range(6), step)) for step in range(number % 3)),
            lists=lists,
            fields={self.fields[tag]: value for at, tag in enumerate(VALUES) if (value := pick(VALUES[tag], 1 + at))},
            appeals=frozenset(one for one, (status, _) in lists.items() if status == "subscribed" and number % 4),
            campaigns=frozenset(one for at, one in enumerate(self.campaigns) if (number + at) % 4 == 0),
        )

    def write(self) -> None:
        organization, at = self.organization.id, lambda one: row_id(self.organization.id, one.number)
        numbers_.Numbers(organization).take(len(self.people))
        bulk_insert.insert_subscribers([
            (at(one), organization, self.blob(one), one.number.to_bytes(16), 1, address.PROVIDERS.index(one.provider),
             one.language, one.joined.isoformat())
            for one in self.people
        ])  # fmt: skip
        bulk_insert.insert_subscriptions([
            (at(one), list_, STATUSES.index(status), consent.REASONS.index(reason), TODAY.isoformat())
            for one in self.people for list_, (status, reason) in one.lists.items()
        ])  # fmt: skip
        no = consent.REASONS.index("left")  # Who has no yes said no, or nothing.
        audience_sql.update_asking([
            (consent.YES if list_ in one.appeals else no, at(one), list_)
            for one in self.people for list_ in one.lists if list_ in one.appeals or one.number % 3
        ])  # fmt: skip
        bulk_insert.insert_subscriber_tags([(at(one), tag) for one in self.people for tag in sorted(one.tags)])
        totals = ListTotals()
        for one in self.people:
            for list_, (status, _reason) in one.lists.items():
                totals.enter(list_, STATUSES.index(status), one.tags)
        totals.write()
        kind = consent.KINDS.index("confirmed")
        bulk_insert.insert_consent([
            (organization, at(one), self.lists[0], kind, 0, 1, day.isoformat(), b"", b"")
            for one in self.people for day in one.confirmed
        ])  # fmt: skip
        self.write_readable()
        for number in self.campaigns:
            got = [one.number for one in self.people if number in one.campaigns]
            deliver(number, got, [one.number for one in self.people if one.number not in got][:3])

    def blob(self, one: SubscriberFacts) -> bytes:
        values = {seal.ADDRESS: f"no{one.number}@post.example", **one.fields}
        return sealed_subscribers.sealed(self.keys, values, one.number, bytes(16))

    def write_readable(self) -> None:
        for row in Field.objects.filter(organization=self.organization, readable=True):
            tag = next(tag for tag, number in self.fields.items() if number == row.number)
            codes = {text: at for at, text in enumerate(SHAPES[tag].choices, start=1)}
            for one in self.people:
                code = fields.code(SHAPES[tag].kind, one.fields.get(row.number, ""), codes)
                if code is not None:
                    ReadableValue.objects.create(
                        subscriber_id=row_id(self.organization.id, one.number), field=row, value=code
                    )

    def inside(self, tree: segment.Tree) -> list[int]:
        return [one.number for one in self.people if segment.matches(tree, one, TODAY)]

    def trees(self) -> Any:
        days = st.sampled_from([TODAY - timedelta(days=days) for days in range(7)])
        numbers = self.fields
        leaves = (
            st.builds(TagCondition, st.sampled_from(self.tags))
            | st.builds(LanguageCondition, st.sampled_from(["", "ru", "en"]))
            | st.builds(ProviderCondition, st.sampled_from(address.PROVIDERS[:3]))
            | st.builds(ListCondition, st.sampled_from([0, *self.lists]), st.sampled_from(["", *STATUSES]))
            | st.builds(ConsentCondition, st.sampled_from([0, *self.lists]), st.sampled_from(consent.REASONS))
            | st.builds(FundraisingCondition, st.sampled_from([0, *self.lists]))
            | st.builds(DayCondition, st.sampled_from(KINDS_OF_DAYS), st.sampled_from(["on", "before", "after"]), days)
            | st.builds(
                DayCondition,
                st.sampled_from(KINDS_OF_DAYS),
                st.sampled_from(["last", "earlier"]),
                days=st.integers(1, 6),
            )
            | st.builds(CampaignCondition, st.sampled_from(self.campaigns))
            | st.builds(ShareCondition, st.sampled_from([10, 50, 90]), st.integers(0, 2**31 - 1))
            | st.sampled_from(CONDITIONS)
        )
        for tag, shape in SHAPES.items():
            number, ops = st.just(numbers[tag]), st.sampled_from(OPS_OF_KIND[shape.kind])
            values = st.sampled_from(
                [value for value in VALUES[tag] if value[:3] != "not" and value] + ["7"][: tag == "AGE"]
            )
            leaves |= st.builds(FieldCondition, number, ops, values)
        return st.recursive(
            leaves,
            lambda parts: (
                st.builds(All, st.lists(parts, max_size=3).map(tuple))
                | st.builds(segment.Any, st.lists(parts, max_size=3).map(tuple))
                | st.builds(Not, parts)
            ),
            max_leaves=5,
        )


def sent_campaign(organization: Any, list_id: int) -> int:
    from samizdat.campaigns.models import Campaign as Row
    from samizdat.campaigns.models import Edition

    row = Row.objects.create(
        organization=organization, list_id=list_id, draft_sealed=b"", state="finished", created=NOW, changed=NOW
    )
    Edition.objects.create(
        campaign=row, organization=organization, compiled_sealed=b"", details_sealed=b"", link_key=1, created=NOW
    )
    return row.pk


def deliver(campaign: int, accepted: list[int], refused: list[int]) -> None:
    from samizdat.campaigns.models import Edition

    edition = Edition.objects.get(campaign=campaign).pk
    delivery_sql.insert_deliveries(edition, {(2, 0, 250, None): accepted}, TODAY)
    delivery_sql.insert_deliveries(edition, {(3, 1, 550, None): refused}, TODAY)


@pytest.fixture
def world(lantern: Any) -> World:
    return World(lantern)


def numbers(reader: MemberReader) -> list[int]:
    return [row & (2**40 - 1) for page in reader.ids() for row in page]


def test_every_condition_is_answered_by_the_database_as_by_plain_python(world: World) -> None:
    for leaf in CONDITIONS:
        for tree in (leaf, Not(leaf), All((leaf, TagCondition(world.tags[0])))):
            reader = MemberReader(world.organization, tree, TODAY)
            assert (numbers(reader), reader.count()) == (world.inside(tree), len(world.inside(tree))), tree


@pytest.mark.parametrize("leaf", [leaf for leaf in CONDITIONS if not isinstance(leaf, SealedCondition)], ids=repr)
def test_every_condition_says_where_its_answer_stands(leaf: segment.Condition) -> None:
    """By that the row of the subscriber is joined, and asked before other tables."""
    text = sql.where(leaf, TODAY).text
    asks_row = re.search(r"(?<!\w)s\.(?!id\b)", text)
    place = AnswerSource.ROW if asks_row else AnswerSource.TABLE if "SELECT" in text else AnswerSource.NUMBER
    assert leaf.place is place


def test_no_condition_is_anywhere_else_and_each_refers_to_a_kind_of_thing_that_is_known() -> None:
    classes = _below(segment.Condition)
    assert {kind for kind in classes if kind.__module__.startswith("samizdat.")} == set(registry.kinds())
    kinds = {kind.refers[0] for kind in registry.kinds() if kind.refers}
    assert kinds == discovery.references().keys()


def _below(kind: type[segment.Condition]) -> set[type[segment.Condition]]:
    """Classes that are no bases; a dataclass with slots leaves the one behind that it was made from."""
    below = [each for each in kind.__subclasses__() if not inspect.isabstract(each)]
    some = {getattr(sys.modules[each.__module__], each.__name__) for each in below}
    return some.union(*(_below(each) for each in kind.__subclasses__()))


def test_the_database_finds_whom_plain_python_finds(world: World) -> None:
    @settings(max_examples=120, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(world.trees())
    def agrees(tree: segment.Tree) -> None:
        reader, inside = MemberReader(world.organization, tree, TODAY), world.inside(tree)
        assert numbers(reader) == inside
        assert reader.count() == len(inside)

    agrees()


def test_a_sealed_segment_is_counted_piece_by_piece_and_shows_its_first_rows(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr("samizdat.audience.segments.members.PAGE", 7)
    tree = All((Not(LanguageCondition("ru")), FieldCondition(world.fields["CITY"], "filled")))
    reader, inside = MemberReader(world.organization, tree, TODAY), world.inside(tree)
    assert reader.sealed and len(inside) > 4
    assert [row & (2**40 - 1) for row in reader.sample(4)] == inside[:4]
    pieces, after = [], 0
    while True:
        piece = reader.look(after=after, seconds=0)
        pieces.append(piece)
        if piece.following is None:
            break
        after = piece.following
    assert sum(piece.count for piece in pieces) == len(inside) and len(pieces) > 2


def test_of_a_page_of_heavy_subscribers_only_some_are_in_memory(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(db, "PORTION", 3)
    held: list[int] = []

    def portions(query: str, values: Any) -> Any:
        return (held.append(len(rows)) or rows for rows in db.binary_portions(query, values))  # type: ignore[func-returns-value]

    monkeypatch.setattr(members, "binary_portions", portions)
    tree = FieldCondition(world.fields["CITY"], "filled")
    assert MemberReader(world.organization, tree, TODAY).count() == len(world.inside(tree))
    assert max(held) == 3


def test_a_condition_on_a_readable_field_needs_nothing_opened(world: World) -> None:
    older = FieldCondition(world.fields["AGE"], "more", "10")
    assert not MemberReader(world.organization, older, TODAY).sealed
    assert MemberReader(world.organization, FieldCondition(world.fields["SUM"], "more", "10"), TODAY).sealed
    # While its numbers are still being written it is opened, and says the same.
    Field.objects.filter(number=world.fields["AGE"]).update(filled=0)
    assert numbers(MemberReader(world.organization, older, TODAY)) == world.inside(older)


def test_halves_of_the_numbers_are_counted_as_the_whole_is(world: World) -> None:
    few, many = TagCondition(world.tags[0]), TagCondition(world.tags[1])
    either, asked = (
        segment.Any((few, ListCondition(world.lists[1]))),
        All((FundraisingCondition(world.lists[1]), Not(LanguageCondition("ru")))),
    )
    for tree in (All((few, many, LanguageCondition("ru"))), ProviderCondition("gmail"), either, asked):
        ours = MemberReader(world.organization, tree, TODAY)._counting
        low, half, high = (row_id(world.organization.id, number) for number in (0, 15, 31))
        halves = ours._one(tree, (low, half)), ours._one(tree, (half, high))
        assert sum(halves) == len(world.inside(tree)) and 0 not in halves


@pytest.mark.parametrize("few", [1, 100])
def test_who_agreed_to_appeals_is_counted_along_the_lists_that_have_some(
    world: World, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(counts, "FEW", few)
    first, any_list, on = (
        FundraisingCondition(world.lists[0]),
        FundraisingCondition(0),
        ListCondition(world.lists[0], "subscribed"),
    )
    pairs = [All((on, one)) for one in (first, any_list, Not(first), Not(any_list))]
    for tree in (
        first,
        any_list,
        *pairs,
        All((first, ProviderCondition("gmail"))),
        segment.Any((any_list, LanguageCondition("ru"))),
    ):
        assert MemberReader(world.organization, tree, TODAY).count() == len(world.inside(tree)), tree
    assert 0 < len(world.inside(first)) < len(world.inside(any_list)) < len(world.people)


def test_a_count_goes_on_after_the_server_was_begun_anew() -> None:
    answers = iter([OperationalError(), 2])

    def hung_up() -> int:
        answer = next(answers)
        if isinstance(answer, OperationalError):
            raise answer
        return answer

    assert counts._both(lambda: 1, hung_up) == 3


@pytest.mark.parametrize("kind", ["list", "tag", "appeals"])
def test_the_narrowest_condition_is_walked_along(world: World, kind: str) -> None:
    narrow = {
        "list": ListCondition(world.lists[0], "pending"),
        "tag": TagCondition(world.tags[0]),
        "appeals": FundraisingCondition(world.lists[0]),
    }[kind]
    source, rest = sql.narrowed(
        world.organization.id, All((LanguageCondition("ru"), narrow)), lambda _leaf: 3, lambda: 30, person=False
    )
    assert source.tables.text.startswith(f"audience_subscri{'bertag' if kind == 'tag' else 'ption'} ")
    assert rest == All((LanguageCondition("ru"),))


# -- saved --


def riga(lantern: Any) -> segment.Tree:
    return TagCondition(tags_for(lantern, ["Riga"])["Riga"])


def test_a_segment_is_kept_sealed_and_found_by_its_name_in_any_case(lantern: Any) -> None:
    made = add_segment(lantern, "  Readers  in Riga ", riga(lantern), now=NOW)
    (one,) = lookup.segments(lantern)
    assert (one.name, one.tree) == ("Readers in Riga", riga(lantern))
    assert lookup.segment_named(lantern, "READERS IN RIGA") == made
    assert b"Riga" not in bytes(Segment.objects.get().sealed)


def test_a_name_is_given_once_and_is_needed(lantern: Any) -> None:
    add_segment(lantern, "Riga", riga(lantern), now=NOW)
    with pytest.raises(SegmentNameTaken):
        add_segment(lantern, "riga", riga(lantern), now=NOW)
    with pytest.raises(NoName):
        add_segment(lantern, "  ", riga(lantern), now=NOW)
    with pytest.raises(NoSuchSegment, match="Use one of: Riga"):
        lookup.segment_named(lantern, "Minsk")


def test_of_two_who_change_a_segment_the_second_is_told(lantern: Any) -> None:
    made = add_segment(lantern, "Riga", riga(lantern), now=NOW)
    assert change_segment(made, "Not Riga", Not(riga(lantern)), version=1, now=NOW) == 2
    with pytest.raises(SegmentOvertaken):
        change_segment(made, "Riga again", riga(lantern), version=1, now=NOW)
    (one,) = lookup.segments(lantern)
    assert (one.name, one.tree, one.version) == ("Not Riga", Not(riga(lantern)), 2)


def test_a_removed_segment_says_so_to_whoever_still_names_it(lantern: Any) -> None:
    made = add_segment(lantern, "Riga", riga(lantern), now=NOW)
    remove_segment(made, now=NOW)
    made.refresh_from_db()
    assert lookup.segments(lantern) == [] and bytes(made.sealed) == b""
    with pytest.raises(SegmentBroken, match="was deleted"):
        lookup.tree_of(made)
    with pytest.raises(NoSuchSegment):
        remove_segment(made, now=NOW)
    add_segment(lantern, "Riga", riga(lantern), now=NOW)  # the name is free again


def test_what_a_segment_asks_for_has_to_be_there(lantern: Any) -> None:
    number = add_field(lantern, "CITY", "City", now=NOW)
    broken = {
        "tag": TagCondition(4711),
        "list": ListCondition(4711),
        "field": FieldCondition(4711, "filled"),
        "campaign": CampaignCondition(4711),
    }
    for kind, tree in broken.items():
        with pytest.raises(SegmentBroken, match=rf"{kind}.*\.$"):
            add_segment(lantern, "Broken", All((tree,)), now=NOW)
    made = add_segment(lantern, "City", FieldCondition(number, "filled"), now=NOW)
    remove_field(lantern, number, now=NOW)
    with pytest.raises(SegmentBroken, match="field that was deleted"):
        lookup.tree_of(made)


def test_who_got_a_letter_is_not_asked_once_its_deliveries_are_totals(world: World) -> None:
    from samizdat.campaigns.models import Edition
    from samizdat.delivery.models import DeliveryArchiveTotal

    made = add_segment(world.organization, "Readers", CampaignCondition(world.campaigns[0]), now=NOW)
    DeliveryArchiveTotal.objects.create(
        edition=Edition.objects.get(campaign=world.campaigns[0]), state=2, count=7, day=TODAY
    )
    with pytest.raises(
        SegmentBroken, match="This segment uses the recipients of a campaign, but they are no longer known"
    ):
        lookup.tree_of(made)


def test_a_segment_says_itself_with_the_names_of_this_house(lantern: Any) -> None:
    number = add_field(lantern, "CITY", "City", now=NOW)
    tree = All(
        (
            riga(lantern),
            FieldCondition(number, "is", "Riga"),
            DayCondition("joined", "before", date(2026, 1, 31)),
        )
    )
    said = describe.Names(lantern).sentence(tree)
    assert said == "Everyone who has the tag “Riga” and whose “City” is “Riga” and who joined before 31 January 2026."
    Tag.objects.all().delete()
    assert "something that was deleted" in describe.Names(lantern).sentence(tree)


@pytest.mark.parametrize("data", ["{", '{"not":' * 100 + '{"tag":1}' + "}" * 100, {"opened": 1}, {"tag": 10**40}])
def test_what_is_no_segment_is_refused(lantern: Any, data: Any) -> None:
    with pytest.raises(SegmentRefused, match=r"\.$"):
        describe.read(data)
