"""Lists at the desk: archived, restored, and deleted by typing their name."""

from collections.abc import Callable

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from samizdat.accounts import pending_changes
from samizdat.audience import queries
from samizdat.audience.actions import add_subscriber, archive_lists, bulk, forms, new_list
from samizdat.audience.models import BulkAction
from samizdat.campaigns.models import Campaign
from samizdat.delivery import campaign_checks
from tests.conftest import NOW
from tests.web.conftest import House

Desk = Callable[[str], Client]


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def _post(here: House, client: Client, page: str, **form: str) -> str:
    return client.post(_to(here, page, here.list.id), form, follow=True).content.decode()


def _name(here: House) -> str:
    return queries.name_of(here.list)


def _draft_alone(here: House) -> None:
    """Every campaign is a draft again, so that nothing is on its way."""
    Campaign.objects.exclude(state="finished").update(state="draft")


def test_an_archived_list_is_in_no_menu_and_comes_back(here: House, desk: Desk) -> None:
    editor, name = desk("editor"), _name(here)
    _draft_alone(here)
    choices = (_to(here, "new-campaign"), _to(here, "add-subscriber"), _to(here, "signup-forms"))
    new_list(here.organization, "Alerts", now=NOW)
    assert all(name in editor.get(page).content.decode() for page in choices)
    page = _post(here, editor, "archive-list")
    assert "List archived. You can restore it at any time." in page and "This list is archived" in page
    assert "Publish" not in page and "Delete list" not in page, "an editor deletes none"
    assert not any(name in editor.get(page).content.decode() for page in choices)
    assert "Archived since" in editor.get(_to(here, "lists")).content.decode()
    assert name in editor.get(_to(here, "subscribers")).content.decode(), "who is on it is found"
    assert name in editor.get(_to(here, "campaigns")).content.decode()
    page = _post(here, editor, "restore-list")
    assert "List restored." in page and "This list is archived" not in page


def test_a_draft_to_an_archived_list_stays_so_and_is_not_sent(here: House, desk: Desk) -> None:
    _draft_alone(here)
    archive_lists.archive(here.list, now=NOW)
    draft = here.campaign
    draft.refresh_from_db()
    problems = {problem.code for problem in campaign_checks.look(draft, timezone.now()).findings}
    assert "list_archived" in problems
    page = desk("editor").get(_to(here, "campaign", draft.pk)).content.decode()
    assert f'<option value="{here.list.id}" selected>' in page, "it does not become another list unseen"


def test_a_list_on_which_a_campaign_or_a_form_depends_says_which(here: House, desk: Desk) -> None:
    admin = desk("admin")
    Campaign.objects.filter(pk=here.campaign.pk).update(state="scheduled")
    assert "These campaigns are on their way to this list" in _post(here, admin, "archive-list")
    _draft_alone(here)
    forms.make_form(here.organization, forms.FormFacts("Join us", "en", (here.list.id,), "I want it."), now=NOW)
    _post(here, admin, "archive-list")
    page = admin.get(_to(here, "delete-list", here.list.id)).content.decode()
    assert "These sign-up forms offer it" in page and "Join us" in page and 'name="name"' not in page
    assert "Remove it from them first" in _post(here, admin, "delete-list", name=_name(here))


def test_a_list_is_deleted_by_typing_its_name_once_its_loss_was_counted(here: House, desk: Desk) -> None:
    _draft_alone(here)
    for form in forms.standing(here.organization):
        forms.remove_form(form, now=NOW)
    admin, name = desk("admin"), _name(here)
    for n in range(bulk.ALONE_A_DAY + 1):
        add_subscriber(here.organization, f"r{n}@post.example", here.list, consent="yes", now=NOW)
    assert admin.get(_to(here, "delete-list", here.list.id)).status_code == 302, "only an archived one"
    _post(here, admin, "archive-list")
    people = archive_lists.people_of(here.list)
    page = admin.get(_to(here, "delete-list", here.list.id)).content.decode()
    assert (
        f"{people.on} subscribers are removed from it." in page
        and f"{people.alone} of them are on no other list" in page
    )
    assert "No other admin can approve this yet: it takes effect after a day, unless you stop it." in page
    assert "isn’t the name of the list" in _post(here, admin, "delete-list", name="Other")
    page = _post(here, admin, "delete-list", name=name)
    work = BulkAction.objects.latest("id")
    assert work.state == "waiting" and "is being deleted" in _post(here, admin, "restore-list")
    change = pending_changes.waiting(here.organization).get()
    assert f"“{name}” is deleted, and {people.on} subscribers are removed from it" in pending_changes.sentence_of(
        change
    )
    pending_changes.approve(change, now=timezone.now(), by=None)
    bulk.run(work.id, timezone.now)
    assert admin.get(_to(here, "list", here.list.id)).status_code == 404
    assert _to(here, "list", here.list.id) not in admin.get(_to(here, "lists")).content.decode()
    assert admin.get(_to(here, "bulk-action", work.id)).status_code == 200


def test_an_editor_and_a_viewer_delete_no_list(here: House, desk: Desk) -> None:
    archive_lists.archive(here.list, now=NOW)
    for role in ("editor", "viewer"):
        assert desk(role).post(_to(here, "delete-list", here.list.id), {"name": _name(here)}).status_code in (403, 404)
    assert desk("viewer").post(_to(here, "restore-list", here.list.id)).status_code in (403, 404)
    assert not queries.details_of(here.list).deleted
