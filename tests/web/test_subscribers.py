"""Readers at the desk: sealed in lists, found by part of a name or address, and no address in any URL."""

import re
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from samizdat.accounts.actions import found_organization
from samizdat.accounts.models import Organization
from samizdat.audience import actions, queries, removal_limit
from samizdat.audience.models import ConsentRecord, Field, Import, List, Subscriber, Subscription, Tag
from samizdat.audience.queries import sorted_subscribers
from samizdat.delivery.queries import Fate
from samizdat.events.models import Event
from samizdat.vault import keyring
from samizdat.vault.models import VaultKey
from samizdat.web.audience.views import subscriber_list
from samizdat.web.imports.plans import field_label
from tests.conftest import NOW, TODAY
from tests.web.conftest import CONSENT, House, at_the_first_question_about, make_person, signed_in

Desk = Callable[[str], Client]


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def test_the_list_shows_a_first_letter_and_no_address(here: House, desk: Desk) -> None:
    page = desk("admin").get(_to(here, "subscribers")).content.decode()
    assert "lantern.example" not in page.replace("https://lantern.example", "")
    assert "<bdi>a•••@l•••.example</bdi>" in page and "A•••" in page and ">Ada<" not in page


def test_a_whole_address_is_posted_and_answered_by_a_number(here: House, desk: Desk) -> None:
    answer = desk("editor").post(_to(here, "subscribers"), {"q": " ADA@lantern.example "})
    assert answer.status_code == 302
    assert answer.headers["Location"] == _to(here, "subscriber", here.ada.number)


def test_opening_somebody_is_written_to_the_log(here: House, desk: Desk) -> None:
    desk("viewer").get(_to(here, "subscriber", here.ada.number))
    event = Event.objects.get(kind="subscriber.opened")
    assert (event.about, event.by) == (here.ada.id, here.people["viewer"])


def test_nobody_is_opened_at_the_desk_of_a_group_that_had_uid_and_keys_of_their_own_for_a_moment(
    here: House, vault: Any
) -> None:
    """Whoever writes the database and has a session of one group, but no key, exchanges what they like."""
    theirs, mine = here.organization, found_organization("Harbour Bell", source=vault, today=TODAY)
    uids = {theirs.pk: bytes(theirs.uid), mine.pk: bytes(mine.uid)}
    vera = signed_in(make_person("Vera", "vera@bell.example", mine, "admin"))
    vera.post(reverse("upload", args=[mine.slug]), {"files": [SimpleUploadedFile("l.csv", b"email\nx@example.org\n")]})
    run = Import.objects.get(organization=mine)
    Import.objects.filter(pk=run.pk).update(state="found")
    vera.raise_request_exception = False

    def give(uids: dict[int, bytes]) -> None:
        Organization.objects.filter(pk=theirs.pk).update(uid=bytes(16))
        Organization.objects.filter(pk=mine.pk).update(uid=uids[mine.pk])
        Organization.objects.filter(pk=theirs.pk).update(uid=uids[theirs.pk])

    def exchange() -> None:
        give({mine.pk: uids[theirs.pk], theirs.pk: bytes(16)})
        VaultKey.objects.filter(organization=mine).delete()
        VaultKey.objects.filter(organization=theirs).update(organization=mine)
        keyring.forget_idle(-1)  # As if they were looked at five seconds ago.

    with at_the_first_question_about("audience_import", exchange):
        vera.get(reverse("import", args=[mine.slug, run.pk]))
    give(uids)
    number, row = here.ada.number, Subscriber.objects.get(pk=here.ada.pk)
    row.pk, row.organization = mine.pk << 40 | number, mine
    row.save(force_insert=True)
    for model in (Subscription, ConsentRecord):
        model.objects.filter(subscriber=here.ada).update(subscriber=row)
    for table in (List, Field, Tag, ConsentRecord):
        table.objects.filter(organization=theirs).update(organization=mine)
    page = vera.get(reverse("subscriber", args=[mine.slug, number])).content.decode()
    assert "ada@lantern.example" not in page.replace("<wbr>", "")


def test_the_page_of_a_subscriber_begins_with_the_answer_and_quotes_their_consent(here: House, desk: Desk) -> None:
    page = desk("admin").get(_to(here, "subscriber", here.ada.number)).content.decode()
    assert re.search(r"<bdi>Ada</bdi>\s*</h1>", page)
    assert re.search(r"ada@<wbr>lantern<wbr>\.example</bdi></span>\s*<a", page)
    assert "<strong>Yes.</strong> Agreed on 25 November 2026" in " ".join(page.split())
    assert CONSENT in page
    assert "volunteer" in page


def test_the_page_of_a_subscriber_shows_the_newest_of_many_consent_records(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions.unsubscribe(here.ada, here.list, now=NOW)
    address = _to(here, "subscriber", here.ada.number)
    whole = desk("editor").get(address + "?show=consent").content.decode()
    many = whole.count("<time")
    monkeypatch.setattr("samizdat.web.templatetags.consent.SHOWN", many - 1)
    page = desk("editor").get(address + "?show=consent").content.decode()
    assert page.count("<time") == many - 1
    assert f"The newest {many - 1} of {many} records are shown." in page and "records are shown" not in whole


def test_activity_has_emails_and_consent_together_and_each_by_itself(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fate = Fate(here.sent.pk, "The winter list", TODAY, "accepted", "")
    monkeypatch.setattr("samizdat.delivery.queries.deliveries_of", lambda *_who: [fate])
    address, client = _to(here, "subscriber", here.ada.number), desk("editor")
    pages = {show: client.get(f"{address}?show={show}").content.decode() for show in ("", "emails", "consent", "else")}
    report = _to(here, "report", here.sent.pk)
    assert {show: report in page for show, page in pages.items()} == dict.fromkeys(("", "emails", "else"), True) | {
        "consent": False
    }
    assert {show: CONSENT in page for show, page in pages.items()} == dict.fromkeys(("", "consent", "else"), True) | {
        "emails": False
    }


def test_somebody_without_a_name_is_called_by_their_address(here: House, desk: Desk) -> None:
    actions.change_values(here.ada, {"FNAME": "", "LNAME": ""}, now=NOW)
    page = desk("editor").get(_to(here, "subscriber", here.ada.number)).content.decode()
    assert re.search(r"ada@<wbr>lantern<wbr>\.example</bdi>\s*</h1>", page)


def test_the_button_of_the_leave_page_is_neither_a_sign_up_form_nor_their_mail_program(here: House, desk: Desk) -> None:
    now = timezone.now()
    actions.unsubscribe(here.ada, here.list, now=now, way="form")
    actions.undo_unsubscribe(here.ada, here.list, now=now)
    page = desk("admin").get(_to(here, "subscriber", here.ada.number)).content.decode()
    assert page.count("On the unsubscribe page.") == 2
    assert "With the unsubscribe button of a mail app." not in page


def test_standard_fields_go_by_our_words_in_the_editors_language_and_others_by_their_own(
    here: House, desk: Desk
) -> None:
    editor = here.people["editor"]
    editor.language = "ru"
    editor.save(update_fields=["language"])
    page = desk("editor").get(_to(here, "subscriber", here.ada.number)).content.decode()
    assert re.search(r'<dt class="wrap">Имя</dt>\s*<dd class="wrap">\s*<bdi>Ada</bdi>\s*</dd>', page)
    assert ">Имя</label>" in desk("editor").get(_to(here, "add-subscriber")).content.decode()
    with translation.override("ru"):
        assert field_label("LNAME", "Last Name") == "Фамилия"
        assert field_label("FNAME", "Как обращаться") == "Как обращаться"
        assert field_label("BOOK", "") == "BOOK"


def test_a_viewer_sees_no_buttons(here: House, desk: Desk) -> None:
    for name, *args in (
        ("subscribers",),
        ("subscriber", here.ada.number),
        ("lists",),
        ("campaigns",),
        ("routes",),
        ("team",),
    ):
        main = desk("viewer").get(_to(here, name, *args)).content.decode().split("<main", 1)[1]
        assert 'method="post"' not in main, name


def test_adding_by_hand_writes_the_words_down(here: House, desk: Desk) -> None:
    answers = {
        "address": "eva@lantern.example",
        "list": here.list.pk,
        "consent": "Told me by phone.",
        "tags": "monthly, press",
    }
    answer = desk("editor").post(_to(here, "add-subscriber"), answers)
    eva = queries.subscriber_at(here.organization, "eva@lantern.example")
    assert eva is not None
    assert answer.headers["Location"] == _to(here, "subscriber", eva.number)
    page = desk("editor").get(answer.headers["Location"]).content.decode()
    assert "Told me by phone." in page
    assert "press" in page


def test_a_typo_is_said_when_somebody_is_added(here: House, desk: Desk) -> None:
    answers = {"address": "eva@gmial.com", "list": here.list.pk, "consent": "Told me by phone."}
    page = desk("editor").post(_to(here, "add-subscriber"), answers, follow=True).content.decode()
    assert "did they mean eva@gmail.com?" in page


def test_adding_without_words_is_refused(here: House, desk: Desk) -> None:
    answer = desk("editor").post(_to(here, "add-subscriber"), {"address": "eva@lantern.example", "list": here.list.pk})
    assert answer.status_code == 422
    assert queries.subscriber_at(here.organization, "eva@lantern.example") is None


def test_unsubscribing_keeps_the_proof(here: House, desk: Desk) -> None:
    before = ConsentRecord.objects.count()
    desk("editor").post(_to(here, "unsubscribe", here.ada.number), {"list": here.list.pk})
    page = desk("editor").get(_to(here, "subscriber", here.ada.number)).content.decode()
    assert "<strong>No.</strong> Unsubscribed on" in " ".join(page.split())
    assert ConsentRecord.objects.count() == before + 1


def _on_two_lists(here: House) -> List:
    diary = actions.new_list(here.organization, "Court Diary", now=NOW)
    actions.add_subscriber(here.organization, "ada@lantern.example", diary, consent=CONSENT, now=NOW)
    return diary


def _statuses(here: House) -> list[str]:
    return [standing.status for standing in queries.card(here.ada, timezone.now()).lists]


def test_somebody_is_unsubscribed_from_all_lists_at_once_which_is_in_the_log(here: House, desk: Desk) -> None:
    _on_two_lists(here)
    client, page = desk("editor"), _to(here, "subscriber", here.ada.number)
    assert "Unsubscribe from all lists" in client.get(page).content.decode()
    answer = client.post(_to(here, "unsubscribe", here.ada.number), {"all": "1"}, follow=True).content.decode()
    assert "They are unsubscribed from all lists." in answer and "Unsubscribe from all lists" not in answer
    assert _statuses(here) == ["unsubscribed", "unsubscribed"]
    (event,) = Event.objects.filter(kind="subscriber.left", about=here.ada.id)
    assert event.by == here.people["editor"]
    again = client.post(_to(here, "unsubscribe", here.ada.number), {"all": "1"}, follow=True).content.decode()
    assert "They weren’t subscribed to any list." in again


def test_unsubscribing_from_all_lists_counts_as_one_of_the_removals_of_a_day(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _on_two_lists(here)
    client, press = desk("editor"), _to(here, "unsubscribe", here.ada.number)
    # The cast took Boris off.
    monkeypatch.setattr(removal_limit, "ALONE_A_DAY", removal_limit._today(here.organization, timezone.now()))
    refused = client.post(press, {"all": "1"}, follow=True).content.decode()
    assert "They are unsubscribed" not in refused and _statuses(here) == ["subscribed", "subscribed"]
    assert Event.objects.filter(kind=removal_limit.ALARM).count() == 1
    monkeypatch.setattr(removal_limit, "ALONE_A_DAY", removal_limit.ALONE_A_DAY + 1)
    client.post(press, {"all": "1"})
    assert _statuses(here) == ["unsubscribed", "unsubscribed"]
    assert desk("viewer").post(press, {"all": "1"}).status_code == 403


def test_who_has_not_confirmed_is_invited_again_by_a_press(here: House, desk: Desk) -> None:
    now = timezone.now()
    eva = actions.sign_up(here.organization, "eva@lantern.example", here.list, wording="w", now=now)
    client, page = desk("editor"), _to(here, "subscriber", eva.number)
    assert "Invite again" in client.get(page).content.decode()
    assert "Invite again" not in client.get(_to(here, "subscriber", here.ada.number)).content.decode()
    press = _to(here, "invite", eva.number)
    asked = client.post(press, {"list": here.list.pk}, follow=True).content.decode()
    assert "The confirmation email is on its way to them again." in asked
    (event,) = Event.objects.filter(kind="subscriber.asked_again", about=eva.id)
    assert event.by == here.people["editor"]
    again = client.post(press, {"list": here.list.pk}, follow=True).content.decode()
    assert "already sent a confirmation email today" in again
    assert client.post(press, {"list": "999999"}).status_code == 404
    assert desk("viewer").post(press, {"list": here.list.pk}).status_code == 403
    assert "Invite again" not in desk("viewer").get(page).content.decode()


def test_an_address_can_be_hidden_on_the_page_of_a_subscriber(here: House, desk: Desk) -> None:
    actions.change_values(here.ada, {"FNAME": ""}, notes="Writes from ada@home.example as well.", now=NOW)
    client, page = desk("editor"), _to(here, "subscriber", here.ada.number)
    shown = client.get(page).content.decode().replace("<wbr>", "")
    assert "ada@lantern.example" in shown and "?hide=1" in shown
    hidden = client.get(f"{page}?hide=1").content.decode().replace("<wbr>", "")
    assert "ada@" not in hidden and "a•••@l•••.example" in hidden
    assert "?show=emails&amp;hide=1" in hidden, "what is chosen on this page leaves it hidden"
    assert "ada@lantern.example" in client.get(page).content.decode().replace("<wbr>", "")
    assert "?hide=1" not in desk("viewer").get(page).content.decode()


def test_the_stop_list_and_back(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "suppress", here.ada.number)
    client.post(address)
    assert "Remove from suppression list" in client.get(_to(here, "subscriber", here.ada.number)).content.decode()
    client.post(address, {"lift": "1"})
    assert "Add to suppression list" in client.get(_to(here, "subscriber", here.ada.number)).content.decode()


def test_erasing_asks_for_a_typed_word(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "erase", here.ada.number)
    assert client.post(address, {"word": "yes"}).status_code == 422
    assert Subscriber.objects.filter(pk=here.ada.pk).exists()
    assert client.post(address, {"word": "erase"}).status_code == 302
    assert not Subscriber.objects.filter(pk=here.ada.pk).exists()


def test_filters_and_tabs_count_exactly(here: House, desk: Desk) -> None:
    client = desk("editor")
    page = client.get(_to(here, "subscribers") + f"?status=unsubscribed&list={here.list.pk}").content.decode()
    assert page.count('class="masked"') == 1
    assert "Unsubscribed</span>" in page


def test_signs_that_turn_the_writing_round_are_shown_and_stay_in_their_place(here: House, desk: Desk) -> None:
    actions.change_values(here.ada, {"FNAME": "Ada\u202egro.nretnal@\u0007"}, now=NOW)
    page = desk("editor").get(_to(here, "subscriber", here.ada.number)).content.decode()
    assert "<bdi>Ada[U+202E]gro.nretnal@[U+0007]</bdi>" in page
    assert not {"\u202e", "\u0007"} & {*page}


def test_whoever_is_on_two_lists_counts_once_in_each_tab(here: House, desk: Desk) -> None:
    diary = actions.new_list(here.organization, "Court Diary", now=NOW)
    for one in Subscriber.objects.filter(organization=here.organization):
        actions.add_subscriber(here.organization, queries.address_of(one), diary, consent=CONSENT, now=NOW)
    tag = here.organization.tags.get().pk
    asked = ("", f"?tag={tag}", f"?list={diary.pk}")
    counts = {"": ["2", "2", "1"], f"?tag={tag}": ["1", "1"], f"?list={diary.pk}": ["2", "2"]}
    for query in asked:
        page = desk("editor").get(_to(here, "subscribers") + query).content.decode()
        assert re.findall(r'<span class="count-of">(\d+)<', page) == counts[query]
        assert ("Subscribers on several lists are counted under each status they have" in page) == (query == "")


def test_a_list_is_made_renamed_and_not_made_twice(here: House, desk: Desk) -> None:
    client = desk("editor")
    client.post(_to(here, "lists"), {"name": "Court Diary"})
    assert client.post(_to(here, "lists"), {"name": "court diary"}).status_code == 422
    made = queries.list_named(here.organization, "Court Diary")
    client.post(_to(here, "list", made.pk), {"name": "Court Letter"})
    assert "Court Letter" in client.get(_to(here, "lists")).content.decode()


def test_a_sign_up_form_is_switched_on_with_its_words_and_off(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "list-signup-form", here.list.pk)
    assert client.post(address, {"form-wording": ""}).status_code == 422
    client.post(address, {"form-wording": "Send me the Thursday Letter once a week."})
    here.list.refresh_from_db()
    page = client.get(_to(here, "list", here.list.pk)).content.decode()
    assert f"https://lantern.example/f/{here.list.form_slug}" in page
    assert "Send me the Thursday Letter once a week." in page
    slug = here.list.form_slug
    client.post(address, {"form-wording": "Send me the Thursday Letter."})
    here.list.refresh_from_db()
    assert here.list.form_slug == slug, "its address stands on other pages by now"
    assert queries.details_of(here.list).purpose == "Send me the Thursday Letter."
    client.post(address, {"off": "1"})
    here.list.refresh_from_db()
    assert here.list.form_slug == ""


def test_the_source_of_an_imported_record_is_said_in_the_readers_language() -> None:
    from samizdat.web.templatetags.consent import source_of

    entry = SimpleNamespace(way="import", source="mailchimp, people, all.csv, line 1646")
    assert source_of(entry) == "people, all.csv, line 1,646"
    typed = SimpleNamespace(way="desk", source="a book, page 3, line 4")
    assert source_of(typed) == typed.source


def test_filters_are_chips_that_can_be_taken_away(here: House, desk: Desk) -> None:
    page = _to(here, "subscribers")
    asked = f"?list={here.list.id}&provider=other&source=desk&since=2026-01-01&status=subscribed"
    shown = desk("viewer").get(page + asked).content.decode()
    assert "Source: the team" in shown and "Mailbox provider: other" in shown
    without = f"?list={here.list.id}&amp;status=subscribed&amp;provider=other&amp;since=2026-01-01"
    assert f'href="{without}"' in shown and "No. " in shown
    assert "No. " not in desk("viewer").get(page + asked.replace("source=desk", "source=form")).content.decode()


def test_a_filter_that_makes_no_sense_asks_for_nothing(here: House, desk: Desk) -> None:
    page, client = _to(here, "subscribers"), desk("viewer")
    for asked in (
        "list=0", "status=gone", "provider=99", "since=yesterday", "since=2026-02-30", "before=" + "9" * 40, "tag=x",
        "suppressed=why", "appeals=no", "language=%00", "until=20261125", "source=%D1%8F", "list=1&list=2",
    ):  # fmt: skip
        answer = client.get(f"{page}?{asked}")
        page_ = answer.content.decode()
        assert answer.status_code == 200 and "Remove filter" not in page_, asked
        # So nobody takes everybody for those who fit.
        assert ("One filter uses something that was removed" in page_) == (not asked.startswith("before=")), asked


def test_those_who_fit_are_counted_exactly(here: House, desk: Desk) -> None:
    page = _to(here, "count-subscribers")
    assert "2 subscribers match." in desk("viewer").get(f"{page}?provider=other").content.decode()
    part = desk("viewer").get(f"{page}?language=ru", headers={"HX-Request": "true"}).content.decode()
    assert "0 subscribers match." in part and "<html" not in part


def test_who_agreed_to_appeals_is_found_and_something_can_be_done_to_them(here: House, desk: Desk) -> None:
    actions.agree_to_appeals_of(here.ada, [here.list], wording="Now and then.", now=NOW)
    asked = f"?list={here.list.id}&appeals=yes"
    shown = desk("editor").get(_to(here, "subscribers") + asked).content.decode()
    assert "Fundraising appeals: agreed" in shown and '<input type="hidden" name="appeals" value="yes">' in shown
    assert shown.count('class="masked"') == 1 and _to(here, "subscriber", here.ada.number) in shown
    assert "1 subscriber matches" in desk("editor").get(f"{_to(here, 'bulk')}{asked}&whom=all").content.decode()


def test_a_suppressed_reader_is_found_by_the_reason(here: House, desk: Desk) -> None:
    actions.suppress(here.organization, "manual", subscriber=here.ada, now=timezone.now())
    page, client = _to(here, "subscribers"), desk("viewer")
    link = _to(here, "subscriber", here.ada.number)
    assert link in client.get(f"{page}?suppressed=manual").content.decode()
    assert link in client.get(f"{page}?suppressed=any").content.decode()
    assert link not in client.get(f"{page}?suppressed=bounce").content.decode()


# -- the order of the list --


def _many(here: House) -> dict[str, int]:
    """More subscribers, by their name; Ada is subscribed and Boris has left already."""
    numbers = {"ada": here.ada.number}
    people = (("eva", "gmail.com", "ru", 3), ("filip", "mail.ru", "en", 2), ("gleb", "gmail.com", "", 1))
    for name, host, language, ago in people:
        then = NOW - timedelta(days=ago)
        person = actions.add_subscriber(
            here.organization, f"{name}@{host}", here.list, consent=CONSENT, language=language, now=then
        )
        numbers[name] = person.number
    return numbers


def _listed(client: Client, here: House, query: str) -> list[int]:
    return [row.number for row in client.get(_to(here, "subscribers") + query).context["page"].rows]


def test_the_list_is_sorted_by_what_is_readable_of_everybody(here: House, desk: Desk) -> None:
    numbers, client = _many(here), desk("viewer")
    boris = next(row.number for row in queries.page(here.organization).rows if row.status == "unsubscribed")
    ada, eva, filip, gleb = (numbers[name] for name in ("ada", "eva", "filip", "gleb"))
    assert _listed(client, here, "?sort=added")[:3] == [eva, filip, gleb]
    assert _listed(client, here, "?sort=-added")[2:] == [gleb, filip, eva]
    assert _listed(client, here, "?sort=-status")[0] == boris and _listed(client, here, "?sort=status")[-1] == boris
    by_language = [number for number in _listed(client, here, "?sort=language") if number in (eva, filip)]
    assert by_language == [filip, eva], "English before Russian"
    assert _listed(client, here, "?sort=language")[-1] not in (eva, filip), "unknown ones are last"
    assert _listed(client, here, "?sort=-provider").index(filip) < _listed(client, here, "?sort=-provider").index(gleb)
    actions.unsubscribe(here.ada, here.list, now=timezone.now())
    assert _listed(client, here, "?sort=-since")[0] == ada, "whose status changed last"
    assert _listed(client, here, f"?sort=-since&status=subscribed&list={here.list.pk}") == [gleb, filip, eva]
    assert _listed(client, here, "?sort=email_index") == _listed(client, here, "")


def test_the_order_stays_with_filters_pages_columns_and_addresses_that_are_shown(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber_list, "PAGE", 2)
    numbers, client = _many(here), desk("editor")
    first = client.get(_to(here, "subscribers") + "?sort=added&status=subscribed")
    assert [row.number for row in first.context["page"].rows] == [numbers["eva"], numbers["filip"]]
    following = client.get(_to(here, "subscribers") + first.context["following"])
    assert [row.number for row in following.context["page"].rows] == [numbers["gleb"], numbers["ada"]]
    assert following.context["following"] == ""
    assert all("sort=added" in tab["query"] for tab in first.context["tabs"])
    assert first.content.decode().count('<input type="hidden" name="sort" value="added">') == 2
    shown = client.post(_to(here, "subscribers") + following.context["here"], {"show": "1"})
    assert [row.address for row in shown.context["page"].rows] == ["gleb@gmail.com", "ada@lantern.example"]


def test_the_heading_that_the_list_is_sorted_by_says_so_and_leads_to_the_other_way_round(
    here: House, desk: Desk
) -> None:
    client = desk("viewer")
    page = client.get(_to(here, "subscribers") + "?sort=status").content.decode()
    (heading,) = re.findall(r'<th scope="col" aria-sort="(\w+)">\s*<a class="sort" href="([^"]+)">\s*(\w+)', page)
    assert heading == ("ascending", f"{_to(here, 'subscribers')}?sort=-status", "Status")
    assert 'aria-sort="descending"' in client.get(heading[1]).content.decode()
    plain = client.get(_to(here, "subscribers")).content.decode()
    assert "aria-sort" not in plain and "Sort: Roughly newest first" in plain


def test_more_than_can_be_sorted_stand_as_they_usually_do_and_the_page_says_what_to_do(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorted_subscribers, "MOST", 4)
    _many(here)
    page = desk("viewer").get(_to(here, "subscribers") + "?sort=status")
    assert "subscribers can be sorted. Add a filter" in page.content.decode()
    assert [row.number for row in page.context["page"].rows] == _listed(desk("viewer"), here, "")
    fewer = desk("viewer").get(_to(here, "subscribers") + "?sort=status&status=subscribed").content.decode()
    assert "can be sorted" not in fewer and 'aria-sort="ascending"' in fewer
