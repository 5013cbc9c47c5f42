"""Which copy may send: a key service says it as well."""

import pytest

from samizdat.delivery import epochs
from samizdat.delivery.models import EpochRecord
from tests.conftest import NOW
from tests.keyservice.conftest import Host

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def paired(running: Host, monkeypatch: pytest.MonkeyPatch, vault: object) -> Host:
    for name in ("SAMIZDAT_KEY_FILE", "SAMIZDAT_KEY_COMMAND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SAMIZDAT_KEY_SERVICE", str(running.pair()))
    return running


def test_a_release_leaves_its_record_there_and_another_copy_sees_it(paired: Host) -> None:
    standing = epochs.take_over(NOW, 60)
    assert (standing.places, standing.reached, standing.rival) == (1, 1, None)
    assert paired.store.epochs() == [standing.own.name]
    EpochRecord.objects.all().delete()  # As in a copy from before.
    assert epochs.ask(NOW, 60).rival == standing.own


def test_where_it_cannot_be_asked_nothing_is_known(paired: Host) -> None:
    paired.end()
    standing = epochs.ask(NOW, 60)
    assert (standing.places, standing.is_known) == (1, False)
