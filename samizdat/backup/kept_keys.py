"""Keys of backups that were made with an instance key that was replaced since. What opens the keys in such a backup is
not among them: it restores with the key file of then."""

import contextlib

from samizdat.backup import recipients, sets
from samizdat.backup.errors import BackupRefused
from samizdat.backup.keys import BackupKeys, backup_keys
from samizdat.backup.sets import ReadablePlace
from samizdat.core.backup import age_identity
from samizdat.vault import keyring


def former_keys() -> tuple[BackupKeys, ...]:
    """Of instance keys that were replaced, the newest first: they read and check what was written with them. Errors:
    VaultError."""
    kept = (keyring.former(purpose) for purpose in ("backup pieces", "backup manifests", "backup identity"))
    return tuple(
        BackupKeys(names.key, seed.key, age_identity.identity(identity.key))
        for names, seed, identity in zip(*kept, strict=True)
    )


def count_former(place: ReadablePlace) -> int:
    """Backups at a place that restore with the key file of then alone. Of those with recipients it's in the backup.
    Errors: PlaceError, VaultError."""
    former = former_keys()
    identities = [identity for each in former for identity in recipients.identities(each.identity)]
    installations, number = {each.installation for each in former}, 0
    for path in sets.paths(place) if former else []:
        with contextlib.suppress(BackupRefused):
            opened = sets.open_copy(place, path, identities).manifest
            number += opened.installation in installations and not opened.recipients
    return number


def all_keys() -> tuple[BackupKeys, ...]:
    """Of the present one and of those. Errors: VaultError."""
    return backup_keys(keyring.derive), *former_keys()
