"""Makes a whole instance in the folder of SAMIZDAT_DATA, as `samizdat init` would, on tables that are there already;
prints what tests need as JSON.

Run as a process of its own, so that the tests' own database and settings stay out of it.
"""

import json
import os
from datetime import UTC, date, datetime
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.settings")


def main() -> None:
    import django

    django.setup()
    from samizdat.core import link
    from samizdat.options import data_folder, key_file
    from samizdat.vault import house
    from samizdat.vault.actions import prove
    from samizdat.vault.source import new_instance_key

    data_folder().mkdir(exist_ok=True, mode=0o700)
    new_instance_key(key_file())
    source = house.open_source()
    prove(source)
    house.open_for_django()

    from samizdat.accounts.actions import found_organisation
    from samizdat.gate import actions as gate

    lantern = found_organisation(
        "Northern Lantern", source=source, today=date(2026, 11, 25), public_url="http://localhost"
    )
    gate.publish_place(
        bytes(lantern.uid),
        host="",
        name="Северный фонарь",
        language="ru",
        accent="#b3261e",
    )
    gate.publish_letter(bytes(lantern.uid), 1, list_name="the Thursday Letter", language="en")
    keys = house.keys(lantern)
    assert keys.link is not None
    click = link.make(keys.link, "click", 1, 0)
    answer = link.make(keys.link, "answer", 1, 0)
    asked = {"question": "Thursdays?", "answer": "Yes", "language": "en"}
    gate.publish_targets(bytes(lantern.uid), {click: {"to": "https://paper.example/"}, answer: asked})
    said: dict[str, Any] = {"organisation": lantern.id, "click": click, "answer": answer}
    if os.environ.get("MAKE_PEOPLE"):
        said |= people(lantern, datetime.now(UTC))
    said["token"] = link.make(keys.link, "leave", 1, said.get("number", 1))
    print(json.dumps(said))


def people(lantern: object, now: datetime) -> dict[str, object]:
    """Ada on a list that has a form, and a folder as the way out."""
    from samizdat.audience import actions as audience
    from samizdat.delivery.actions import add_route
    from samizdat.worker import publish

    list_ = audience.new_list(
        lantern,
        "the Thursday Letter",
        now=now,
        details={"from_email": "letter@lantern.example", "purpose": "One story."},
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
