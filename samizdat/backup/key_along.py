"""The instance key that goes along with a backup, for those that it is encrypted to."""

from collections.abc import Callable, Sequence

from samizdat.backup import recipients
from samizdat.backup.errors import BackupRefused
from samizdat.backup.keys import backup_keys
from samizdat.vault import keyring
from samizdat.vault.source import InstanceSource


def key_along(to: Sequence[str], instance_key: Callable[[], bytes] = keyring.for_key_file) -> str:
    """The key file that goes along with a backup for these recipients; "" for none. Errors: VaultError, BackupRefused
    where this key didn't write the backup: the keys of organizations in it wouldn't open."""
    if not to:
        return ""
    key = instance_key()
    if backup_keys(InstanceSource(key).derive).installation != backup_keys(keyring.derive).installation:
        raise BackupRefused(
            "key_along",
            "The instance key that goes along for recipients isn't the one of this database, so they couldn't restore "
            "the backup. Nothing was written. Check SAMIZDAT_KEY_FILE, then run: samizdat keys rotate status",
        )
    return recipients.wrapped_key_file(key, to)
