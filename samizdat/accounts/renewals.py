"""What the accounts made with the instance key, made anew once it is replaced (vault/instance_exchange.py)."""

from collections.abc import Iterator
from contextlib import suppress

from samizdat.accounts import passwords, row_macs, sealed_people
from samizdat.accounts.address_change import details_of, seal_details
from samizdat.accounts.models import AddressChange, ApiKey, Attempt, Invitation, PendingChange, Person, Session
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.address import BadAddress

_COLUMNS = ("email", "name", "notices")


def people() -> Iterator[None]:
    """Names, addresses, which mails they want, and the hashes by which they are found."""
    opened = [(person, _texts(person), _is_found(person)) for person in Person.objects.order_by("pk")]
    yield
    for person, texts, is_found in opened:
        for column, text in texts.items():
            setattr(person, f"{column}_sealed", sealed_people.seal_text(text, column, person.pk))
        if is_found:
            person.email_hash = sealed_people.hash_of(sealed_people.index_of(texts["email"]), person.pk)
    columns = [f"{column}_sealed" for column in _COLUMNS]
    Person.objects.bulk_update([person for person, *_rest in opened], [*columns, "email_hash"], batch_size=200)


def _texts(person: Person) -> dict[str, str]:
    """Of those columns that hold something, and open."""
    texts = {}
    for column in _COLUMNS:
        if blob := bytes(getattr(person, f"{column}_sealed")):
            with suppress(SealError):
                texts[column] = sealed_people.open_text(blob, column, person.pk)
    return texts


def _is_found(person: Person) -> bool:
    """Whether the hash is of the address that is sealed."""
    try:
        index = sealed_people.index_of_person(person)
    except (SealError, BadAddress):
        return False
    return bool(sealed_people.numbers_at(index, [(person.pk, person.email_hash)]))


def kept_passwords() -> Iterator[None]:
    """They are stretched with the former key, and bound with the new one."""
    rows = [(row, passwords.made_by(row.pk, row.password)) for row in Person.objects.order_by("pk")]
    yield
    for row, number in rows:
        if number is not None:
            row.password = passwords.bound_again(row.pk, row.password, number)
    Person.objects.bulk_update([row for row, number in rows if number], ["password"], batch_size=200)


def address_changes() -> Iterator[None]:
    """Of those that are confirmed, since emails about them may still have to go out. The links of all others mean
    nothing any more."""
    rows = AddressChange.objects.filter(confirmed=True)
    opened = [(row, details) for row in rows if (details := details_of(row))]
    yield
    for row, details in opened:
        row.details_sealed = seal_details(details, row.person_id)
    AddressChange.objects.bulk_update([row for row, _details in opened], ["details_sealed"], batch_size=200)
    AddressChange.objects.exclude(pk__in=[row.pk for row, _details in opened]).delete()


def invitations() -> Iterator[None]:
    return row_macs.renewed(Invitation.objects.select_related("organization"), row_macs.of_invitation)


def api_keys() -> Iterator[None]:
    return row_macs.renewed(ApiKey.objects.select_related("organization"), row_macs.of_api_key)


def pending_changes() -> Iterator[None]:
    return row_macs.renewed(PendingChange.objects.select_related("organization"), row_macs.of_change)


def signing_in() -> Iterator[None]:
    """Sessions open no more, and failed sign-ins are found no more."""
    yield
    Session.objects.all().delete()
    Attempt.objects.all().delete()
