"""What fixtures remember: done again it leaves the same rows, and nothing where somebody was there before."""

from typing import Any

from django.db import transaction

from samizdat.accounts.actions import change_settings
from samizdat.accounts.models import Organization
from samizdat.audience.actions import new_list
from samizdat.audience.models import List
from tests import moulds
from tests.conftest import NOW, TODAY


def _rows() -> dict[tuple[str, str], list[Any]]:
    """PostgreSQL has them in any order."""
    return {table: sorted(rows, key=repr) for table, (_columns, rows) in moulds._rows().items()}


def test_what_was_done_to_rows_is_done_again_and_only_to_the_same_rows(lantern: Any) -> None:
    begun = transaction.savepoint_create()
    change = moulds.Change()
    new_list(lantern, "The Thursday Letter", now=NOW)
    change_settings(Organization.objects.get(), by=None, now=NOW, quiet_hours="22:00-07:00")
    assert change.is_over()
    after = _rows()

    transaction.savepoint_rollback(begun)
    assert not List.objects.exists()
    assert change.do_again() and _rows() == after

    transaction.savepoint_rollback(begun)
    Organization.objects.update(timezone="Europe/Riga")
    assert not change.do_again()
    assert not List.objects.exists() and not Organization.objects.get().quiet_hours


def test_what_takes_a_row_away_is_not_remembered(lantern: Any) -> None:
    thursday = new_list(lantern, "The Thursday Letter", now=NOW)
    change = moulds.Change()
    List.objects.filter(pk=thursday.pk).delete()
    assert not change.is_over()


def test_no_row_is_put_in_the_place_of_another(lantern: Any) -> None:
    begun = transaction.savepoint_create()
    change = moulds.Change()
    thursday = new_list(lantern, "The Thursday Letter", now=NOW)
    assert change.is_over()
    transaction.savepoint_rollback(begun)
    List.objects.create(pk=thursday.pk, organization=lantern, name_sealed=b"another", created=TODAY)
    assert not change.do_again()
    assert bytes(List.objects.get().name_sealed) == b"another"
