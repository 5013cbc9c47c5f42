"""Groups and their categories, which are tags (interest_tags.py): read, created, renamed and deleted."""

from typing import Any

from samizdat.api.donors import refuse_donors
from samizdat.audience import actions, queries
from samizdat.compat.mailchimp.calls import MailchimpCall, list_hex
from samizdat.compat.mailchimp.interest_tags import BETWEEN, Interest, groups_in, id_of_category, tag_of
from samizdat.compat.mailchimp.problems import MailchimpProblem, not_there, not_valid
from samizdat.compat.mailchimp.selection import paged
from samizdat.compat.mailchimp.tags import carriers_shown, insist_on_tag_name, own_tag, remove, rename

TYPES = ("checkboxes", "dropdown", "radio", "hidden")


def show_categories(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    return paged(call, "categories", _categories(call))


def show_category(call: MailchimpCall, list_id: str, category_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    for category in _categories(call):
        if category["id"] == category_id.lower():
            return category
    raise not_there()


def _categories(call: MailchimpCall) -> list[dict[str, Any]]:
    names = {each.category_id: each.category for each in _all(call)}
    return [
        {
            "list_id": list_hex(call.list_.pk),
            "id": id,
            "title": title,
            "display_order": place,
            "type": "checkboxes",
            "_links": [],
        }
        for place, (id, title) in enumerate(names.items())
    ]


def _all(call: MailchimpCall) -> list[Interest]:
    return groups_in(queries.tags(call.organization))


def _of_category(call: MailchimpCall, category_id: str) -> list[Interest]:
    """Its groups, and the one without a name that is the category itself. Errors: MailchimpProblem 404."""
    own = [each for each in _all(call) if each.category_id == category_id.lower()]
    if not own:
        raise not_there()
    return own


def create_category(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    """It is shown with checkboxes, whatever it was to be: no tag excludes another. Errors: MailchimpProblem 400,
    ApiProblem 422 for what says who gives."""
    call.insist_on_list(list_id)
    title = _title_in(call)
    if call.text("type") not in TYPES:
        raise not_valid("type", f"Value must be one of: {', '.join(TYPES)}")
    if any(each.category_id == id_of_category(title) for each in _all(call)):
        raise _taken("title", title)
    actions.tags_for(call.organization, [tag_of(title, "")])
    return show_category(call, list_id, id_of_category(title))


def change_category(call: MailchimpCall, list_id: str, category_id: str) -> dict[str, Any]:
    """Its id changes with its title. Errors: MailchimpProblem 400, 403, 404; ApiProblem 422."""
    call.insist_on_list(list_id)
    own = _of_category(call, category_id)
    if "title" not in call.body:
        return show_category(call, list_id, category_id)
    title = _title_in(call)
    new_id = id_of_category(title)
    if new_id != category_id.lower() and any(each.category_id == new_id for each in _all(call)):
        raise _taken("title", title)
    for each in own:
        insist_on_tag_name("title", tag_of(title, each.name))
    for tag, name in [(own_tag(call, each.tag_id), tag_of(title, each.name)) for each in own]:
        rename(call, tag, name)
    return show_category(call, list_id, new_id)


def delete_category(call: MailchimpCall, list_id: str, category_id: str) -> None:
    """With its groups. Errors: MailchimpProblem 403, 404."""
    call.insist_on_list(list_id)
    for tag in [own_tag(call, each.tag_id) for each in _of_category(call, category_id)]:
        remove(call, tag)


def _title_in(call: MailchimpCall) -> str:
    """Errors: MailchimpProblem 400, ApiProblem 422."""
    title = call.text("title")
    if not title or BETWEEN in f"{title} ":
        raise not_valid("title", "Enter a title, without a colon in it." if title else "Required fields missing.")
    insist_on_tag_name("title", tag_of(title, ""))
    refuse_donors((), [title])
    return title


def _taken(field: str, name: str) -> MailchimpProblem:
    return not_valid(field, f"“{name}” already exists.")


def show_interests(call: MailchimpCall, list_id: str, category_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    carriers = carriers_shown(call)
    groups = [each for each in _of_category(call, category_id) if each.name]
    return paged(call, "interests", [_document(call, each, place, carriers) for place, each in enumerate(groups)])


def show_interest(call: MailchimpCall, list_id: str, category_id: str, interest_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    place, interest = _group(call, category_id, interest_id)
    return _document(call, interest, place, carriers_shown(call))


def _group(call: MailchimpCall, category_id: str, interest_id: str) -> tuple[int, Interest]:
    """(Its place, itself). Errors: MailchimpProblem 404."""
    groups = [each for each in _of_category(call, category_id) if each.name]
    for place, each in enumerate(groups):
        if each.id == interest_id.lower():
            return place, each
    raise not_there()


def _document(call: MailchimpCall, interest: Interest, place: int, carriers: dict[int, int]) -> dict[str, Any]:
    """carriers: by number of a tag."""
    return {
        "category_id": interest.category_id,
        "list_id": list_hex(call.list_.pk),
        "id": interest.id,
        "name": interest.name,
        "subscriber_count": str(carriers.get(interest.tag_id, 0)),
        "display_order": place,
        "_links": [],
    }


def create_interest(call: MailchimpCall, list_id: str, category_id: str) -> dict[str, Any]:
    """Errors: MailchimpProblem 400, 404; ApiProblem 422 for what says who gives."""
    call.insist_on_list(list_id)
    own = _of_category(call, category_id)
    name = _name_in(call)
    if any(each.name.casefold() == name.casefold() for each in own):
        raise _taken("name", name)
    tag = tag_of(own[0].category, name)
    insist_on_tag_name("name", tag)
    refuse_donors((), [tag, name])
    actions.tags_for(call.organization, [tag])
    new = next(each for each in _of_category(call, category_id) if each.name.casefold() == name.casefold())
    return show_interest(call, list_id, category_id, new.id)


def change_interest(call: MailchimpCall, list_id: str, category_id: str, interest_id: str) -> dict[str, Any]:
    """Errors: MailchimpProblem 400, 403, 404; ApiProblem 422."""
    call.insist_on_list(list_id)
    _place, interest = _group(call, category_id, interest_id)
    if "name" in call.body:
        name = _name_in(call)
        if any(
            each.name.casefold() == name.casefold() and each != interest for each in _of_category(call, category_id)
        ):
            raise _taken("name", name)
        tag = tag_of(interest.category, name)
        insist_on_tag_name("name", tag)
        refuse_donors((), [tag, name])
        rename(call, own_tag(call, interest.tag_id), tag)
    return show_interest(call, list_id, category_id, interest_id)


def _name_in(call: MailchimpCall) -> str:
    name = call.text("name")
    if not name:
        raise not_valid("name", "Required fields missing.")
    return name


def delete_interest(call: MailchimpCall, list_id: str, category_id: str, interest_id: str) -> None:
    """Its category stays. Errors: MailchimpProblem 403, 404."""
    call.insist_on_list(list_id)
    _place, interest = _group(call, category_id, interest_id)
    tag = own_tag(call, interest.tag_id)
    actions.tags_for(call.organization, [tag_of(interest.category, "")])
    remove(call, tag)
