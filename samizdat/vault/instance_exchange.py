"""The instance key is replaced in one transaction, while nobody else has a key: what it wraps is wrapped anew, what its
derived keys made is made anew or sealed anew, and those that have to check what was made before are kept
(purposes.py, docs/key-formats.md).

In the same transaction the new key is stored, wrapped by the former one: a start with the former one, since the power
failed before the key file was replaced, goes on with the new one.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

from django.db import models, transaction

from samizdat import db
from samizdat.core.crypto import signature
from samizdat.publicdb import signed_rows
from samizdat.vault import destruction, keyring, shares
from samizdat.vault.errors import KeyWrong
from samizdat.vault.models import KeptKey, NextInstanceKey, Proof, ShareSet, VaultKey
from samizdat.vault.purposes import KEPT, KEPT_WHILE, PURPOSES
from samizdat.vault.source import InstanceSource

log = logging.getLogger("samizdat.worker")

# Has one `yield`. Before it the former key is in place: it reads its rows, and keeps those that fit under it. After it
# the new key is: it writes them anew. What doesn't fit stays as it is, for somebody else wrote it.
type Renewal = Callable[[], Iterator[None]]

# Kept until all is finished: those rows are in another database, and signed anew behind the transaction.
_SIGNING = "public pages"

# What the instance key wraps; as it was wrapped before, it's to be nowhere in the database's files.
_WRAPPED: tuple[type[models.Model], ...] = (Proof, ShareSet, VaultKey, NextInstanceKey, KeptKey)

# purpose -> the highest number of a row so far: later ones are checked with the new key alone.
type Marks = Mapping[str, int]


def exchange(
    former: InstanceSource, new_key: bytes, renewals: Sequence[Renewal], marks: Callable[[], Marks] = dict
) -> int:
    """From then on `new_key` is the instance key, in this process as well. How many keys of organizations didn't open
    and stay as they are. Errors: KeyWrong, anything of a renewal; then nothing has changed."""
    new = InstanceSource(new_key)
    keyring.use(former)
    before = _wrapped()
    try:
        with transaction.atomic():
            db.wait_for_commit()  # The key file is replaced after it.
            running = [renewal() for renewal in renewals]
            for each in running:
                next(each)
            kept, left = _kept(former, marks()), _wrap_anew(former, new)
            NextInstanceKey.objects.all().delete()
            NextInstanceKey.objects.create(wrapped=former.wrap_outer(keyring.NEXT_LABEL, new_key))
            _keep(new, kept)
            keyring.use(new)
            for each in running:
                next(each, None)
    except BaseException:
        keyring.use(former)
        raise
    _scrub(before)
    return left


def is_pending() -> bool:
    """Whether a start with the former key still works."""
    return NextInstanceKey.objects.exists()


def finish(source: InstanceSource, tell: Callable[[str], object] = log.warning) -> bool:
    """The former key opens nothing any more, once `source` gives the new one by itself; whether it does. tell: hears
    why the database's files may have some of what it opened."""
    if keyring.belongs(source) is not True:
        return False
    keyring.use(source)
    sign_public_rows()
    before = _wrapped()
    with transaction.atomic():
        db.wait_for_commit()
        KeptKey.objects.filter(purpose=_SIGNING).delete()
        NextInstanceKey.objects.all().delete()
    keyring.use(source)
    _scrub(before, tell)
    return True


def sign_public_rows() -> None:
    """Rows of the public database that the former key signed: before anybody looks at them, where the exchange was
    killed before it came to them. May be repeated."""
    for former in keyring.former(_SIGNING):
        signed_rows.sign_anew(signature.public_key(former.key))


def _wrapped() -> set[bytes]:
    return {bytes(blob) for model in _WRAPPED for blob in model._default_manager.values_list("wrapped", flat=True)}


def _scrub(before: set[bytes], tell: Callable[[str], object] = log.warning) -> None:
    """Whoever has the former key and takes the disk later would open the new one, and all keys, with what was wrapped
    before."""
    destruction.scrub(before - _wrapped(), [model._meta.db_table for model in _WRAPPED], tell)


def _wrap_anew(former: InstanceSource, new: InstanceSource) -> int:
    """Of strict organizations the outer wrapping alone, so nobody's passphrase is needed. Shares of the former key are
    forgotten: they open nothing from now on."""
    left = 0
    for proof in Proof.objects.all():
        proof.wrapped = new.wrap_outer(keyring.PROOF_LABEL, former.unwrap_outer(keyring.PROOF_LABEL, proof.wrapped))
        proof.save(update_fields=["wrapped"])
    ShareSet.objects.filter(pk__in=[known.row.pk for known in shares.sets(former)]).delete()
    rows: list[tuple[str, VaultKey | ShareSet]] = [(shares.label(row), row) for row in ShareSet.objects.all()]
    rows += [(keyring.label_of(row, row.organization), row) for row in VaultKey.objects.select_related("organization")]
    for label, row in rows:
        try:
            inner = former.unwrap_outer(label, row.wrapped)
        except KeyWrong:
            left += 1
            continue
        row.wrapped = new.wrap_outer(label, inner)
        row.save(update_fields=["wrapped"])
    return left


def _kept(former: InstanceSource, marks: Marks) -> list[tuple[str, keyring.FormerKey]]:
    """What is kept from now on: of this key, and of those before it."""
    number, kept = keyring.instance_number(), []
    for purpose, (_roles, rule) in PURPOSES.items():
        if rule in (KEPT, KEPT_WHILE) or purpose == _SIGNING:
            kept += [(purpose, each) for each in keyring.former(purpose)]
            kept.append((purpose, keyring.FormerKey(number, former.derive(purpose), marks.get(purpose, 0))))
    return kept


def _keep(new: InstanceSource, kept: Sequence[tuple[str, keyring.FormerKey]]) -> None:
    KeptKey.objects.all().delete()
    for purpose, each in kept:
        wrapped = new.wrap_outer(keyring.kept_label(purpose, each.number, each.through), each.key)
        KeptKey.objects.create(purpose=purpose, number=each.number, through=each.through, wrapped=wrapped)
