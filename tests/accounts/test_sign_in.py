"""Whoever guesses passwords costs little, shuts nobody out, and gets no more tries than are allowed."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password
from django.db import connections
from django.utils import timezone

from samizdat.accounts import actions, devices, hashers, password_queues, sealed_people, throttle
from samizdat.accounts.backend import BlindIndexBackend
from samizdat.accounts.errors import AlreadyHere
from samizdat.accounts.models import Attempt, Membership, Person
from samizdat.accounts.throttle import FREE_TRIES, LONGEST_WAIT, MOST, Throttled
from samizdat.vault import keyring
from tests.conftest import NOW, PASSWORD, TODAY

EMAIL = "clara@lantern.example"


@pytest.fixture(autouse=True)
def full_purse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samizdat.accounts.backend.queues", password_queues.PasswordQueues())


@pytest.fixture
def clara(lantern: Any) -> Person:
    person = actions.add_person(EMAIL, name="Clara", password=PASSWORD, today=TODAY)
    actions.give_role(person, lantern, "admin", by=None, now=NOW)
    return person


def _sign_in(password: str = PASSWORD, device: str = "", email: str = EMAIL) -> Person | None:
    return BlindIndexBackend().authenticate(None, email=email, password=password, device=device)


def _lock_out() -> None:
    for _try in range(FREE_TRIES):
        assert _sign_in("wrong") is None
    with pytest.raises(Throttled):
        _sign_in()


def _try(index: bytes, now: datetime) -> bool:
    """A failed try of a stranger; whether it was let through."""
    try:
        throttle.take(throttle.lane(index), index, now)
    except Throttled:
        return False
    return True


@pytest.mark.django_db
def test_the_hundredth_wrong_password_waits_like_the_thirteenth(clara: Person) -> None:
    index, now = sealed_people.index_of_person(clara), NOW
    for _failure in range(100):
        assert _try(index, now)
        now = Attempt.objects.get().not_before
    assert Attempt.objects.get().failures <= MOST
    assert [throttle.wait_after(failures) for failures in (MOST, 46, 1000)] == [LONGEST_WAIT] * 3


@pytest.mark.django_db
def test_a_stranger_who_tries_as_often_as_allowed_gets_a_hundred_guesses_a_day(clara: Person) -> None:
    index, now, guesses = sealed_people.index_of_person(clara), NOW, 0
    while now < NOW + timedelta(days=1):
        guesses += _try(index, now)
        now = max(Attempt.objects.get().not_before, now + timedelta(seconds=1))
    assert guesses < 110


@pytest.mark.django_db
def test_one_wrong_try_an_hour_locks_nobody_out(clara: Person) -> None:
    index, now = sealed_people.index_of_person(clara), NOW
    for _failure in range(MOST):
        _try(index, now)
        now = Attempt.objects.get().not_before
    for _hour in range(48):
        _try(index, now)
        now += timedelta(hours=1)
    throttle.check(throttle.lane(index), now - timedelta(minutes=59))


@pytest.mark.django_db
def test_a_clock_that_is_set_back_keeps_nobody_waiting_for_days(clara: Person) -> None:
    index = sealed_people.index_of_person(clara)
    for _failure in range(FREE_TRIES):
        _try(index, NOW + timedelta(days=7))
    assert _try(index, NOW)


@pytest.mark.django_db
def test_who_signed_in_here_before_passes_while_a_stranger_guesses(clara: Person) -> None:
    browser = devices.new(clara, timezone.now())
    _lock_out()
    assert _sign_in(device=browser) == clara


@pytest.mark.django_db
def test_a_browser_that_is_known_gets_no_more_tries_than_any_other(clara: Person) -> None:
    browser = devices.new(clara, timezone.now())
    for _failure in range(FREE_TRIES):
        assert _sign_in("wrong", browser) is None
    for device in (browser, ""):
        with pytest.raises(Throttled):
            _sign_in(device=device)


@pytest.mark.django_db
@pytest.mark.parametrize("made_for", ["other account", "long ago", "forged", "nonsense"])
def test_a_browser_of_somebody_else_is_a_strangers(clara: Person, made_for: str) -> None:
    boris = actions.add_person("boris@lantern.example", name="Boris", password=PASSWORD, today=TODAY)
    browser = {
        "other account": devices.new(boris, timezone.now()),
        "long ago": devices.new(clara, timezone.now() - devices.LASTS - timedelta(days=2)),
        "forged": devices.new(clara, timezone.now())[:-1] + "x",
        "nonsense": "..",
    }[made_for]
    _lock_out()
    with pytest.raises(Throttled):
        _sign_in(device=browser)


@pytest.mark.django_db
def test_neither_address_nor_browser_stands_in_the_row_of_failed_tries(clara: Person) -> None:
    browser = devices.new(clara, timezone.now())
    _sign_in("wrong", browser)
    for row in Attempt.objects.values():
        assert row.keys() == {"lane", "address_hash", "failures", "not_before"}
        assert browser.encode() not in bytes(row["lane"]) + bytes(row["address_hash"])
    assert "lantern" not in browser
    assert sealed_people.index_of_person(clara).hex() not in browser


@pytest.mark.django_db
def test_a_copy_does_not_tell_whether_an_address_that_a_stranger_tried_is_a_colleagues(clara: Person) -> None:
    """Beside the blind index of a person the same value would name them, their organization and their role."""
    _sign_in("wrong")
    (attempt,) = Attempt.objects.values_list("lane", "address_hash")
    assert not {bytes(value) for value in attempt} & {sealed_people.index_of_person(clara), bytes(clara.email_hash)}


@pytest.mark.django_db
def test_a_copy_does_not_tell_that_a_strangers_try_and_that_of_a_known_browser_are_at_one_address(
    clara: Person,
) -> None:
    """Only who has an account here signs in with a browser that is known."""
    _sign_in("wrong")
    _sign_in("wrong", devices.new(clara, timezone.now()))
    hashes = {bytes(value) for row in Attempt.objects.values_list("lane", "address_hash") for value in row}
    assert len(hashes) == 4


@pytest.mark.django_db
def test_a_new_password_ends_the_waiting(clara: Person) -> None:
    _lock_out()
    _sign_in("wrong", devices.new(clara, timezone.now()))
    actions.reset_password(clara, "another long pass phrase")
    assert _sign_in("another long pass phrase") == clara


@pytest.mark.django_db(transaction=True)
def test_of_twelve_wrong_passwords_at_once_no_more_are_looked_at_than_are_free(clara: Person) -> None:
    index, together, passed = sealed_people.index_of_person(clara), threading.Barrier(12), []

    def guess() -> None:
        together.wait()
        passed.append(_try(index, NOW))
        connections.close_all()

    threads = [threading.Thread(target=guess) for _thread in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(passed) == [False] * (12 - FREE_TRIES) + [True] * FREE_TRIES


# -- whose it is


@pytest.mark.django_db
def test_a_password_copied_into_another_row_or_made_without_the_key_opens_no_account(clara: Person) -> None:
    own = "a pass phrase of their own"
    vera = actions.add_person("vera@lantern.example", password=own, today=TODAY)
    assert _sign_in(own, email="vera@lantern.example") == vera
    for made in (vera.password, make_password(own)):
        Person.objects.filter(pk=clara.pk).update(password=made)
        assert _sign_in(own) is None


@pytest.mark.django_db
def test_a_row_that_was_given_the_number_of_another_person_opens_nothing(clara: Person) -> None:
    own = "a pass phrase of their own"
    vera = actions.add_person("vera@lantern.example", password=own, today=TODAY)
    number = clara.pk
    Person.objects.filter(pk=number).delete()
    Person.objects.filter(pk=vera.pk).update(id=number)
    assert _sign_in(own, email="vera@lantern.example") is None


@pytest.mark.django_db
def test_what_a_copied_database_holds_of_a_password_cannot_be_guessed_without_the_key(clara: Person) -> None:
    assert clara.check_password(PASSWORD)
    assert not check_password(PASSWORD, clara.password)


# -- several accounts at one address


OTHER = "a quite different pass phrase"


@pytest.fixture
def bell(vault: Any) -> Any:
    """Another organization of the installation, whose admin wants to know who has an account elsewhere."""
    found = actions.found_organization("Harbour Bell", source=vault, today=TODAY)
    admin = actions.add_person("prober@bell.example", name="Prober", password=PASSWORD, today=TODAY)
    actions.give_role(admin, found, "admin", by=None, now=NOW)
    return found


def _accept(organization: Any, password: str, email: str = EMAIL) -> Person:
    now = timezone.now()
    token = actions.invite(organization, "viewer", note="", by=None, now=now)
    return actions.accept(token, email=email, name="Probe", password=password, now=now)[0]


def _roles() -> set[tuple[int, str]]:
    return set(Membership.objects.values_list("person", "organization__name"))


@pytest.mark.django_db
def test_an_invitation_gives_a_role_to_the_account_whose_password_is_given(clara: Person, bell: Any) -> None:
    assert _accept(bell, PASSWORD) == clara
    assert _roles() >= {(clara.pk, "Northern Lantern"), (clara.pk, "Harbour Bell")}
    assert sealed_people.name_of(clara) == "Clara"


@pytest.mark.django_db
def test_with_another_password_it_makes_an_account_that_opens_nothing_of_the_first(clara: Person, bell: Any) -> None:
    probe = _accept(bell, OTHER)
    assert probe != clara
    assert _sign_in(OTHER) == probe
    assert _sign_in() == clara
    assert {name for person, name in _roles() if person == probe.pk} == {"Harbour Bell"}


@pytest.mark.django_db
def test_a_password_copied_from_another_account_at_the_address_opens_nothing(clara: Person, bell: Any) -> None:
    """They share a salt: whoever writes the database may have made the other one themselves."""
    probe = _accept(bell, OTHER)
    Person.objects.filter(pk=probe.pk).update(is_active=False)
    figures, _salt, copied = probe.password.rsplit("$", 2)
    own_salt = Person.objects.get(pk=clara.pk).password.rsplit("$", 2)[1]
    for password in (probe.password, f"{figures}${own_salt}${copied}"):
        Person.objects.filter(pk=clara.pk).update(password=password)
        assert _sign_in(OTHER) is None


@pytest.mark.django_db
def test_what_is_counted_at_an_invitation_is_the_same_with_and_without_an_account(clara: Person, bell: Any) -> None:
    for email in (EMAIL, "nobody@lantern.example"):
        _accept(bell, OTHER, email)
    rows = [row.failures for row in Attempt.objects.all()]
    assert rows == [1, 1]


@pytest.mark.django_db
def test_passwords_are_guessed_at_an_invitation_no_faster_than_at_the_sign_in(clara: Person, bell: Any) -> None:
    organizations = [
        bell,
        *(
            actions.found_organization(f"Bell {n}", source=keyring.open_source(), today=TODAY)
            for n in range(FREE_TRIES)
        ),
    ]
    for number, organization in enumerate(organizations[:FREE_TRIES]):
        _accept(organization, f"a long guess, number {number}")
    with pytest.raises(Throttled):
        _accept(organizations[-1], PASSWORD)
    with pytest.raises(Throttled):
        _sign_in()


@pytest.mark.django_db
def test_an_account_of_ones_own_at_an_address_buys_no_guesses_at_another_one(clara: Person, bell: Any) -> None:
    probe = _accept(bell, OTHER)
    for _guess in range(FREE_TRIES - 2):  # The invitation was one already.
        assert _sign_in("a guess") is None
    assert _sign_in(OTHER) == probe
    actions.set_password(probe, "one more pass phrase")
    browser = devices.new(probe, timezone.now())
    assert _sign_in("a guess", browser) is None
    with pytest.raises(Throttled):
        _sign_in("a guess")
    assert _sign_in("one more pass phrase", browser) == probe
    assert _sign_in(PASSWORD, browser) is None


@pytest.mark.django_db
def test_a_browser_of_one_account_opens_another_one_at_the_address(clara: Person, bell: Any) -> None:
    probe = _accept(bell, OTHER)
    assert _sign_in(PASSWORD, devices.new(probe, timezone.now())) == clara
    assert _sign_in(OTHER, devices.new(clara, timezone.now())) == probe


@pytest.mark.django_db
@pytest.mark.parametrize("password", ["wrong", OTHER])
@pytest.mark.parametrize("accounts", [0, 1, 3])
def test_as_many_passwords_are_hashed_for_an_address_without_an_account_as_for_one_with_three(
    lantern: Any, vault: Any, monkeypatch: pytest.MonkeyPatch, accounts: int, password: str
) -> None:
    for number in range(accounts):
        organization = actions.found_organization(f"Bell {number}", source=vault, today=TODAY)
        _accept(organization, f"{OTHER} {number}")
    hashed: list[str] = []
    encode = hashers.Argon2.encode
    monkeypatch.setattr(hashers.Argon2, "encode", lambda self, *told: hashed.append("") or encode(self, *told))
    monkeypatch.setattr(hashers.Argon2, "verify", lambda *_told: pytest.fail("looked at one account alone"))
    assert _sign_in(password) is None
    assert len(hashed) == 1
    _accept(lantern, OTHER)
    assert len(hashed) == 3


@pytest.mark.django_db
def test_in_one_organization_an_address_is_one_person(clara: Person, lantern: Any) -> None:
    for password in (PASSWORD, OTHER):
        with pytest.raises(AlreadyHere, match="Sign in instead"):
            _accept(lantern, password)
    token = actions.invite(lantern, "viewer", note="", by=None, now=NOW)
    with pytest.raises(AlreadyHere):
        actions.join(token, clara, now=NOW)
    assert Membership.objects.get(person=clara, organization=lantern).role == "admin"


# -- what a password costs


@pytest.mark.usefixtures("real_passwords")
def test_a_password_takes_nineteen_megabytes_and_one_thread() -> None:
    assert "$m=19456,t=2,p=1$" in make_password(PASSWORD)


@pytest.mark.django_db
@pytest.mark.usefixtures("real_passwords")
def test_a_password_kept_at_a_hundred_megabytes_is_kept_anew_at_the_next_sign_in(
    clara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as then:
        then.setattr(hashers.Argon2, "memory_cost", 100 * 1024)
        actions.set_password(clara, PASSWORD)
    assert "$m=102400," in Person.objects.get(pk=clara.pk).password
    assert _sign_in("wrong") is None
    assert _sign_in() == clara
    assert "$m=19456,t=2,p=1$" in Person.objects.get(pk=clara.pk).password
    assert _sign_in() == clara


def test_two_passwords_are_looked_at_at_once_and_no_third(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, go_on, two, seen = threading.Lock(), threading.Event(), threading.Event(), [0, 0]

    def slow(*_args: Any) -> str:
        with lock:
            seen[0] += 1
            seen[1] = max(seen)
            if seen[0] == hashers.AT_ONCE:
                two.set()
        go_on.wait(60)
        with lock:
            seen[0] -= 1
        return ""

    monkeypatch.setattr(Argon2PasswordHasher, "encode", slow)
    threads = [threading.Thread(target=hashers.Argon2().encode, args=("", "")) for _thread in range(6)]
    for thread in threads:
        thread.start()
    assert two.wait(60)
    go_on.set()
    for thread in threads:
        thread.join()
    assert seen == [0, hashers.AT_ONCE]


def test_a_crowd_of_strangers_is_sent_away_and_who_was_here_before_is_not() -> None:
    crowd = password_queues.PasswordQueues()
    inside, go_on = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        with crowd.turn(known=False):
            inside.release()
            go_on.wait(60)

    threads = [threading.Thread(target=hold) for _place in range(1 + password_queues.WAITING["stranger"])]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=60)
    while crowd._places["stranger"]._value:  # type: ignore[attr-defined]  # Until the other one waits as well.
        threading.Event().wait(0.001)
    with pytest.raises(password_queues.QueueFull), crowd.turn(known=False):
        pass
    with crowd.turn(known=True):
        go_on.set()
    for thread in threads:
        thread.join()
    with crowd.turn(known=False):
        pass


def test_strangers_share_one_purse_whatever_addresses_they_try(monkeypatch: pytest.MonkeyPatch) -> None:
    at = [1000.0]
    monkeypatch.setattr("samizdat.accounts.password_queues.time.monotonic", lambda: at[0])
    crowd = password_queues.PasswordQueues()
    for _stranger in range(password_queues.AT_ONCE):
        with crowd.turn(known=False):
            pass
    with pytest.raises(password_queues.QueueFull), crowd.turn(known=False):
        pass
    with crowd.turn(known=True):
        pass
    at[0] += 1 / password_queues.A_SECOND
    with crowd.turn(known=False):
        pass
