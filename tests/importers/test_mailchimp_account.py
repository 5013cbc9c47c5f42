"""An account at Mailchimp read over its interface, against a server that was written from notes on that interface."""

import pytest

from samizdat import plugins
from samizdat.core.account_copy import Contact, Item
from samizdat.core.private_networks import networks
from samizdat.importers.accounts.base import AccountSettings, ServiceRefused
from samizdat.importers.accounts.mailchimp import MailchimpAccount
from tests.fakes.mailchimp_account import (
    BLOCK,
    CLOSE,
    CUT,
    GARBAGE,
    HANG_UP,
    KEY,
    FakeAccount,
    FakeList,
    MailchimpServer,
    file_content,
)

LOOPBACK = networks("127.0.0.1")


class Waits:
    """Seconds that were to be waited, and were not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def opened(server, key=KEY, **settings):
    asked = {"inside": LOOPBACK, "timeout": 20.0, "sleep": Waits(), **settings}
    return plugins.open_account("mailchimp", AccountSettings(key, server.endpoint, **asked))


def pages(account, section, since=""):
    cursor = ""
    while True:
        page = account.page(section, cursor, since)
        yield page
        cursor = page.cursor
        if not cursor:
            return


def items(account, section) -> list[Item]:
    return [item for page in pages(account, section) for item in page.items]


def contacts(account, since="") -> list[Contact]:
    return [contact for page in pages(account, "contacts", since) for contact in page.contacts]


@pytest.fixture
def fake():
    with MailchimpServer(FakeAccount()) as server:
        yield server


def test_members_of_every_status_come_with_their_times(fake):
    each = fake.account.lists[0]
    by_address = {contact.address: contact for contact in contacts(opened(fake)) if not contact.is_partial}
    assert len(by_address) == each.size
    for number in range(each.size):
        member, contact = each.member(number), by_address[each.address(number)]
        called = {"transactional": "nonsubscribed"}.get(member["status"], member["status"])
        assert (contact.status, contact.list) == (called, each.id)
        assert (contact.opted_in, contact.changed) == (member["timestamp_opt"], member["last_changed"])
        assert contact.reason == member.get("unsubscribe_reason", "")


def test_nothing_of_where_they_are_or_what_they_read_is_kept_or_asked_for(fake):
    account = opened(fake)
    written = repr([*contacts(account), *items(account, "reports"), *items(account, "campaigns")])
    for private in ("203.0.113.9", "56.9", "riga", "Gmail", "avg_open", "hunter2", "timeseries"):
        assert private not in written
    assert all("ip_signup" in path for path in fake.asked if "/members?" in path and "sort_field" in path)


def test_fields_and_tags_about_donors_stay_out_and_are_counted(fake):
    account = opened(fake)
    page = account.page("tags", "", "")
    assert (page.items, page.left_out) == ((), {"donor_tags": 1})
    assert all("501" not in contact.tags for contact in contacts(account))


def test_an_import_of_thousands_in_one_second_is_read_to_its_end():
    account = FakeAccount([FakeList(size=3 * BLOCK)])
    with MailchimpServer(account) as server:
        found = {contact.address for contact in contacts(opened(server))}
    assert found == {account.lists[0].address(number) for number in account.lists[0].numbers}


def test_nobody_is_missed_when_contacts_change_while_we_turn_the_pages():
    each = FakeList(size=2 * BLOCK + 700)
    account = FakeAccount([each])
    moved = iter(range(400))

    def meanwhile(request):
        if request.path.endswith("/members"):
            for number in (next(moved, 0), next(moved, 0)):
                if each.status(number) not in ("archived",):
                    account.change(each, number, language="en")

    with MailchimpServer(account) as server:
        server.meanwhile = meanwhile
        found = {contact.address for contact in contacts(opened(server))}
    assert found == {each.address(number) for number in each.numbers}


def test_afterwards_only_who_was_changed_is_asked_for(fake):
    each = fake.account.lists[0]
    since = fake.account.tick(60).isoformat()
    archived = next(number for number in each.numbers if each.status(number) == "archived")
    fake.account.change(each, 5, status="unsubscribed", unsubscribe_reason="Spammy content")
    fake.account.change(each, archived, language="en")
    added = fake.account.add(each, email_address="new@north.example")
    found = {contact.address: contact for contact in contacts(opened(fake), since) if not contact.is_partial}
    assert found.keys() == {each.address(5), each.address(archived), "new@north.example"}
    assert (found[each.address(5)].status, found[each.address(5)].reason) == ("unsubscribed", "Spammy content")
    assert each.member(added)["status"] == "subscribed"


def test_who_called_an_email_spam_is_told_apart_from_who_left(fake):
    complained = [contact for contact in contacts(opened(fake)) if contact.status == "complained"]
    assert [(each.address, each.is_partial) for each in complained] == [(fake.account.lists[0].address(1), True)]


def test_all_lists_are_read(fake):
    fake.account.lists.append(FakeList("b1b2c3d4e5", "Press", 30, seed=3))
    account = opened(fake)
    assert [item.name for item in items(account, "lists")] == ["News", "Press"]
    assert {contact.list for contact in contacts(account)} == {"a1b2c3d4e5", "b1b2c3d4e5"}
    assert {item.list for item in items(account, "fields")} == {"a1b2c3d4e5", "b1b2c3d4e5"}


def test_an_account_without_lists_has_no_contacts():
    with MailchimpServer(FakeAccount([])) as server:
        account = opened(server)
        assert contacts(account) == items(account, "fields") == []


def test_campaigns_come_with_their_content_and_what_is_sent_has_a_stamp(fake):
    account = opened(fake)
    found = items(account, "campaigns")
    assert [item.details["status"] for item in found] == ["save", "sent", "sent", "save", "sent"]
    assert [bool(item.stamp) for item in found] == [False, True, True, False, True]
    assert "Привет, *|FNAME|*! Issue 1".encode() in account.body(found[1])
    assert "report_summary" not in repr(found)


def test_more_campaigns_than_a_page_has_are_all_there():
    with MailchimpServer(FakeAccount(campaigns=123)) as server:
        assert len({item.id for item in items(opened(server), "campaigns")}) == 123


def test_files_are_fetched_from_where_they_are_without_the_key(fake):
    seen = []
    fake.meanwhile = lambda request: seen.append((request.path, request.authorization))
    account = opened(fake)
    found = items(account, "files")
    assert [account.body(item) for item in found] == [file_content(number) for number in range(3)]
    assert {authorization for path, authorization in seen if path.startswith("/public/")} == {""}


def test_a_file_inside_our_own_network_is_not_fetched(fake):
    item = Item("files", "1", "x", details={"url": "https://127.0.0.2:1/x.png"})
    with pytest.raises(ServiceRefused) as refused:
        opened(fake).body(item)
    assert refused.value.code == "inside"


def test_totals_say_what_is_there_and_what_cannot_be_had(fake):
    totals = opened(fake).totals()
    assert totals.title == "Lantern"
    assert (totals.contacts, totals.lists) == (100, {"a1b2c3d4e5": 100})
    assert totals.sections == {"lists": 1, "campaigns": 5, "templates": 3, "files": 3, "reports": 3}
    assert totals.uncopied == {"automations": 1, "landing_pages": 2}


@pytest.mark.parametrize("what", [CUT, HANG_UP, 429, 503, 500])
def test_what_passes_is_tried_again(fake, what):
    fake.on(what, "/members", times=3)
    waits = Waits()
    assert len(contacts(opened(fake, sleep=waits))) == 101
    assert waits.seconds[:2] == [1.0, 4.0]


def test_a_service_that_asks_to_wait_gets_as_long_as_it_asks(fake):
    fake.on(429, "/ping", headers={"Retry-After": "92"})
    waits = Waits()
    opened(fake, sleep=waits).ping()
    assert waits.seconds == [92.0]


def test_what_does_not_pass_in_some_tries_is_an_error(fake):
    fake.on(503, "/ping", times=9)
    with pytest.raises(ServiceRefused) as failed:
        opened(fake, tries=3).ping()
    assert (failed.value.code, failed.value.is_refusal) == ("unavailable", False)


def test_a_closed_account_says_so_at_once_and_in_the_words_of_the_service(fake):
    fake.on(CLOSE, "/members", after=1)
    waits = Waits()
    with pytest.raises(ServiceRefused) as refused:
        contacts(opened(fake, sleep=waits))
    assert (refused.value.code, refused.value.is_refusal, waits.seconds) == ("closed", True, [])
    assert "User Disabled" in str(refused.value)


@pytest.mark.parametrize(
    ("title", "detail", "code"),
    [
        ("User Disabled", "This account has been disabled.", "closed"),
        ("Forbidden", "Your account is under review by our Compliance team.", "closed"),
        ("Forbidden", "You are not permitted to access this resource.", "forbidden"),
        ("Wrong Datacenter", "The API key is for another data center.", "other_center"),
        ("Forbidden", "Two-factor authentication is required for this account.", "second_factor"),
    ],
)
def test_refusals_are_told_apart_by_their_words(fake, title, detail, code):
    fake.account.close(title, detail)
    with pytest.raises(ServiceRefused) as refused:
        opened(fake).ping()
    assert (refused.value.code, refused.value.is_refusal) == (code, True)


def test_a_key_that_was_revoked_is_a_refusal_and_never_in_a_sentence(fake):
    fake.account.key = KEY.replace("0", "f")
    with pytest.raises(ServiceRefused) as refused:
        opened(fake).ping()
    assert refused.value.code == "key_refused"
    assert KEY not in str(refused.value)


def test_a_page_in_place_of_an_answer_is_no_account(fake):
    fake.on(GARBAGE, "/ping")
    with pytest.raises(ServiceRefused) as wrong:
        opened(fake).ping()
    assert (wrong.value.code, wrong.value.is_refusal) == ("bad_answer", False)


def test_no_more_than_one_connection_is_used(fake):
    list(pages(opened(fake), "contacts"))
    assert fake.most_busy == 1


def test_a_list_that_is_deleted_meanwhile_ends_its_pages():
    account = FakeAccount([FakeList(size=1_500), FakeList("b1b2c3d4e5", "Press", 30, seed=3)])
    with MailchimpServer(account) as server:
        reader = opened(server)
        walk = pages(reader, "contacts")
        next(walk)
        del account.lists[0]
        assert {contact.list for page in walk for contact in page.contacts} == {"b1b2c3d4e5"}


@pytest.mark.parametrize("key", ["", "0123456789abcdef", "x-us21/../../evil", "0123456789abcdef-us21.evil.example"])
def test_what_is_no_key_is_refused_before_anybody_is_asked(key):
    with pytest.raises(ServiceRefused) as wrong:
        MailchimpAccount(AccountSettings(key))
    assert wrong.value.code == "bad_key"


def test_the_key_says_which_data_center_is_asked():
    account = MailchimpAccount(AccountSettings(KEY))
    assert account._http.origin == ("us21.api.mailchimp.com", 443, True)


def test_an_account_without_encryption_is_asked_on_this_machine_alone():
    with pytest.raises(ServiceRefused) as wrong:
        MailchimpAccount(AccountSettings(KEY, "http://api.example"))
    assert wrong.value.code == "bad_endpoint"
