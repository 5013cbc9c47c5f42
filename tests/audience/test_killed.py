"""kill -9 half way: the same command again ends where an unkilled import ends."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.db import connection

from samizdat.audience import actions, queries
from samizdat.audience.models import ConsentRecord, Import, Reject, Subscriber
from samizdat.cli.demo.export import EXAMPLE, make_mailchimp_export
from tests import warm
from tests.audience.checks import assert_projections_hold
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 2_000


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """An export, and a file that has some of its people again and lines that are none."""
    whole, more = tmp_path / "export.zip", tmp_path / "subscribed_members_export_ff.csv"
    make_mailchimp_export(whole, ROWS, domains=EXAMPLE)
    lines = ["Email Address,OPTIN_TIME,CONFIRM_TIME,LAST_CHANGED"]
    lines += [f"reader{number % 400}@post.example,2020-01-01 10:00:00,,2020-01-01 10:00:00" for number in range(500)]
    lines[100] = "no address,,,"
    more.write_text("\n".join(lines) + "\n")
    return [whole, more]


def program(organization: Any, files: list[Path], **more: str) -> warm.Process:
    database = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        where = {"SAMIZDAT_TEST_DATABASE": database}
    else:
        host = connection.settings_dict["HOST"]
        where = {"DATABASE_URL": f"postgresql://{connection.settings_dict['USER']}@/{database}?host={host}"}
    return warm.Process(
        ["-m", "tests.audience.bringing", *map(str, files)],
        cwd=warm.ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ
        | where
        | {
            "TEST_ORGANIZATION": organization.slug,
            "TEST_NOW": NOW.isoformat(),
            "DJANGO_SETTINGS_MODULE": "tests.audience.settings",
        }
        | more,
    )


def lines(running: warm.Process) -> Iterator[str]:
    assert running.stdout is not None
    return iter(running.stdout.readline, "")


def test_an_import_killed_again_and_again_counts_like_one_that_was_not(
    lantern: Any, letter: Any, files: list[Path]
) -> None:
    chance, kills = Random(7), 0
    for _ in range(60):
        with program(lantern, files) as running:
            told = lines(running)
            for _ in range(chance.randrange(1, 12)):
                if not next(told, "").startswith("slice"):
                    break
            else:
                running.kill()
                kills += 1
                running.wait()
                # It may have been at its end, and the next one would begin an import of its own.
                if not Import.objects.filter(state="finished").exists():
                    continue
        break
    row = Import.objects.get()
    # Mostly five to eight; a program that runs ahead of its killer ends sooner.
    assert (row.state, kills >= 1) == ("finished", True)
    other = actions.new_list(lantern, "Unkilled", now=NOW)
    seen = actions.look(lantern, other, [str(path) for path in files], now=NOW)
    assert (
        row.counts["rows"]
        == ROWS + 500
        == sum(row.counts[name] for name in ("added", "updated", "unchanged", "rejected"))
    )
    assert (row.counts["added"], row.counts["rejected"], row.counts["duplicates"]) == (ROWS + 400, 1, 99)
    for name in ("subscribed", "unsubscribed", "cleaned", "nonsubscribed", "rows", "rejected", "duplicates"):
        assert row.counts[name] == seen.counts[name], name
    assert Subscriber.objects.count() == ROWS + 400 == queries.count(lantern, letter)
    assert Reject.objects.count() == 1
    before = ConsentRecord.objects.count()
    again = actions.direct(lantern, letter, [str(path) for path in files], now=lambda: NOW)
    assert (again.counts["unchanged"], again.counts["rejected"]) == (ROWS + 499, 1)
    assert ConsentRecord.objects.count() == before
    assert_projections_hold(lantern, NOW)


def test_two_imports_of_one_upload_do_not_run_at_once(lantern: Any, letter: Any, files: list[Path]) -> None:
    from samizdat.audience.errors import ImportTaken

    with program(lantern, files, TEST_STANDS_STILL="1") as running:
        next(lines(running))
        with pytest.raises(ImportTaken):
            actions.direct(lantern, letter, [str(path) for path in files], now=lambda: NOW)
        running.kill()
    assert actions.direct(lantern, letter, [str(path) for path in files], now=lambda: NOW).state == "finished"
