"""Makes a whole instance in the folder of SAMIZDAT_DATA, as `samizdat init` would, on tables that are there already;
prints what tests need as JSON.

Run as a process of its own, so that the tests' own database and settings stay out of it.
"""

import json
import os
from datetime import UTC, date, datetime
from typing import Any

from samizdat.audience.list_details import ListDetails

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.settings")


def main() -> None:
    import django

    django.setup()
    from samizdat.core.crypto import tokens
    from samizdat.options import data_folder, key_file
    from samizdat.vault import keyring
    from samizdat.vault.actions import prove
    from samizdat.vault.sources.key_file import new_instance_key

    data_folder().mkdir(exist_ok=True, mode=0o700)
    new_instance_key(key_file())
    source = keyring.open_source()
    prove(source)
    keyring.open_for_django()

    from samizdat.accounts.actions import found_organization
    from samizdat.publicdb import actions as publicdb

    lantern = found_organization(
        "Northern Lantern", source=source, today=date(2026, 11, 25), public_url="http://localhost"
    )
    publicdb.publish_place(
        bytes(lantern.uid),
        host="",
        name="Северный фонарь",
        language="ru",
        accent="#b3261e",
    )
    publicdb.publish_letter(bytes(lantern.uid), 1, list_name="the Thursday Letter", language="en")
    keys = keyring.keys(lantern)
    assert keys.link is not None
    click = tokens.make(keys.link, "click", 1, 0)
    answer = tokens.make(keys.link, "answer", 1, 0)
    asked = {"question": "Thursdays?", "answer": "Yes", "language": "en"}
    publicdb.publish_targets(
        bytes(lantern.uid), {click: {"to": "https://paper.example/"}, answer: asked}, tokens.target_key(keys.link)
    )
    said: dict[str, Any] = {"organization": lantern.id, "click": click, "answer": answer}
    if os.environ.get("MAKE_PEOPLE"):
        said |= people(lantern, datetime.now(UTC))
    said["token"] = tokens.make(keys.link, "leave", 1, said.get("number", 1))
    print(json.dumps(said))


def people(lantern: object, now: datetime) -> dict[str, object]:
    """Ada on a list that has a form, and a folder as the way out."""
    from samizdat.audience import actions as audience
    from samizdat.delivery.actions import add_route
    from samizdat.worker.publishing import publish

    list_ = audience.new_list(
        lantern,
        "the Thursday Letter",
        now=now,
        details=ListDetails(from_email="letter@lantern.example", purpose="One story."),
    )
    audience.give_form(list_, "thursday", now=now)
    ada = audience.add_subscriber(lantern, "ada@example.org", list_, consent="said so", now=now)
    publish.list_as_form(list_)
    out = os.environ["SAMIZDAT_DATA"] + "-out"
    os.makedirs(out, exist_ok=True)
    add_route(lantern, "folder", f"folder://{out}", now=now)
    return {"list": list_.id, "number": ada.number, "out": out}


if __name__ == "__main__":
    main()
