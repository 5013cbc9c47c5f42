"""Whoever guesses passwords costs little, shuts nobody out, and gets no more tries than are allowed."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password
from django.db import connections

from samizdat.accounts import actions, devices, hashers, people, queues, throttle
from samizdat.accounts.backend import BlindIndexBackend
from samizdat.accounts.models import Attempt, Person
from samizdat.accounts.passwords import bound
from samizdat.accounts.throttle import FREE_TRIES, LONGEST_WAIT, MOST, Throttled
from tests.conftest import NOW, PASSWORD, TODAY

EMAIL = "clara@lantern.example"


@pytest.fixture(autouse=True)
def full_purse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samizdat.accounts.backend.queues", queues.Queues())


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
    index, now = bytes(clara.email_index), NOW
    for _failure in range(100):
        assert _try(index, now)
        now = Attempt.objects.get().not_before
    assert Attempt.objects.get().failures <= MOST
    assert [throttle.wait_after(failures) for failures in (MOST, 46, 1000)] == [LONGEST_WAIT] * 3


@pytest.mark.django_db
def test_a_stranger_who_tries_as_often_as_allowed_gets_a_hundred_guesses_a_day(clara: Person) -> None:
    index, now, guesses = bytes(clara.email_index), NOW, 0
    while now < NOW + timedelta(days=1):
        guesses += _try(index, now)
        now = max(Attempt.objects.get().not_before, now + timedelta(seconds=1))
    assert guesses < 110


@pytest.mark.django_db
def test_one_wrong_try_an_hour_locks_nobody_out(clara: Person) -> None:
    index, now = bytes(clara.email_index), NOW
    for _failure in range(MOST):
        _try(index, now)
        now = Attempt.objects.get().not_before
    for _hour in range(48):
        _try(index, now)
        now += timedelta(hours=1)
    throttle.check(throttle.lane(index), now - timedelta(minutes=59))


@pytest.mark.django_db
def test_a_clock_that_is_set_back_keeps_nobody_waiting_for_days(clara: Person) -> None:
    index = bytes(clara.email_index)
    for _failure in range(FREE_TRIES):
        _try(index, NOW + timedelta(days=7))
    assert _try(index, NOW)


@pytest.mark.django_db
def test_who_signed_in_here_before_passes_while_a_stranger_guesses(clara: Person) -> None:
    browser = devices.new(bytes(clara.email_index), NOW)
    _lock_out()
    assert _sign_in(device=browser) == clara


@pytest.mark.django_db
def test_a_browser_that_is_known_gets_no_more_tries_than_any_other(clara: Person) -> None:
    browser = devices.new(bytes(clara.email_index), NOW)
    for _failure in range(FREE_TRIES):
        assert _sign_in("wrong", browser) is None
    with pytest.raises(Throttled):
        _sign_in(device=browser)
    assert _sign_in() == clara


@pytest.mark.django_db
@pytest.mark.parametrize("made_for", ["other address", "long ago", "forged", "nonsense"])
def test_a_browser_of_somebody_else_is_a_strangers(clara: Person, made_for: str) -> None:
    index = bytes(clara.email_index)
    browser = {
        "other address": devices.new(people.index_of("boris@lantern.example"), NOW),
        "long ago": devices.new(index, NOW - devices.LASTS - timedelta(days=400)),
        "forged": devices.new(index, NOW)[:-1] + "x",
        "nonsense": "..",
    }[made_for]
    _lock_out()
    with pytest.raises(Throttled):
        _sign_in(device=browser)


@pytest.mark.django_db
def test_neither_address_nor_browser_stands_in_the_row_of_failed_tries(clara: Person) -> None:
    browser = devices.new(bytes(clara.email_index), NOW)
    _sign_in("wrong", browser)
    row = Attempt.objects.values().get()
    assert row.keys() == {"lane", "email_index", "failures", "not_before"}
    assert browser.encode() not in bytes(row["lane"]) + bytes(row["email_index"])
    assert "lantern" not in browser
    assert bytes(clara.email_index).hex() not in browser


@pytest.mark.django_db
def test_a_new_password_ends_the_waiting(clara: Person) -> None:
    _lock_out()
    actions.set_password(clara, "another long pass phrase")
    assert _sign_in("another long pass phrase") == clara


@pytest.mark.django_db(transaction=True)
def test_of_twelve_wrong_passwords_at_once_no_more_are_looked_at_than_are_free(clara: Person) -> None:
    index, together, passed = bytes(clara.email_index), threading.Barrier(12), []

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
    hers = "a pass phrase of her own"
    vera = actions.add_person("vera@lantern.example", password=hers, today=TODAY)
    assert _sign_in(hers, email="vera@lantern.example") == vera
    for made in (vera.password, make_password(hers)):
        Person.objects.filter(pk=clara.pk).update(password=made)
        assert _sign_in(hers) is None


@pytest.mark.django_db
def test_a_row_that_was_given_the_number_of_another_person_opens_nothing(clara: Person) -> None:
    hers = "a pass phrase of her own"
    vera = actions.add_person("vera@lantern.example", password=hers, today=TODAY)
    number = clara.pk
    Person.objects.filter(pk=number).delete()
    Person.objects.filter(pk=vera.pk).update(id=number)
    assert _sign_in(hers, email="vera@lantern.example") is None


@pytest.mark.django_db
def test_what_a_copied_database_holds_of_a_password_cannot_be_guessed_without_the_key(clara: Person) -> None:
    assert clara.check_password(PASSWORD)
    assert not check_password(PASSWORD, clara.password)


# -- what a password costs


@pytest.mark.usefixtures("real_passwords")
def test_a_password_takes_nineteen_megabytes_and_one_thread() -> None:
    assert "$m=19456,t=2,p=1$" in make_password(PASSWORD)


@pytest.mark.django_db
@pytest.mark.usefixtures("real_passwords")
def test_a_password_kept_at_a_hundred_megabytes_is_kept_anew_at_the_next_sign_in(clara: Person) -> None:
    Person.objects.filter(pk=clara.pk).update(
        password=Argon2PasswordHasher().encode(bound(clara.pk, PASSWORD), "saltsaltsaltsaltsalt12")
    )
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
    house = queues.Queues()
    inside, go_on = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        with house.turn(known=False):
            inside.release()
            go_on.wait(60)

    threads = [threading.Thread(target=hold) for _place in range(1 + queues.WAITING["stranger"])]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=60)
    while house._places["stranger"]._value:  # type: ignore[attr-defined]  # Until the other one waits as well.
        threading.Event().wait(0.001)
    with pytest.raises(queues.Crowded), house.turn(known=False):
        pass
    with house.turn(known=True):
        go_on.set()
    for thread in threads:
        thread.join()
    with house.turn(known=False):
        pass


def test_strangers_share_one_purse_whatever_addresses_they_try(monkeypatch: pytest.MonkeyPatch) -> None:
    at = [1000.0]
    monkeypatch.setattr("samizdat.accounts.queues.time.monotonic", lambda: at[0])
    house = queues.Queues()
    for _stranger in range(queues.AT_ONCE):
        with house.turn(known=False):
            pass
    with pytest.raises(queues.Crowded), house.turn(known=False):
        pass
    with house.turn(known=True):
        pass
    at[0] += 1 / queues.A_SECOND
    with house.turn(known=False):
        pass
