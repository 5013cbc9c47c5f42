"""What can be wrong with a key; each sentence says what to do."""

BEFORE_RELEASE = (
    "This database is from before the first release and can't be upgraded. Export it with the program that created it, "
    "run `samizdat init` with another SAMIZDAT_DATA, and import the export. Nothing was changed."
)

LOCKED = (
    "The keys of this organization are locked. An admin unlocks them in the app, or on the server: samizdat keys unlock"
)

DESTROYED = "The keys of this organization were destroyed. Nobody can read its data again."


STRICT = (
    "The keys of this organization are locked, and open with a passphrase of its people alone. Enter it in the app, or "
    "on the server: samizdat keys strict unlock"
)


class VaultError(Exception):
    """The keys cannot be had. `code` for the API, the text for the person."""

    code = "vault"


class KeyFileMissing(VaultError):
    code = "key_file_missing"


class KeyFileOpen(VaultError):
    code = "key_file_open"


class KeyFileBroken(VaultError):
    code = "key_file_broken"


class PassphraseNeeded(VaultError):
    code = "passphrase_needed"


class PassphraseRefused(VaultError):
    code = "passphrase_wrong"


class KeyCommandFailed(VaultError):
    code = "key_command_failed"


class KeyServiceUnreachable(VaultError):
    """None of the key services answers: it may be tried again."""

    code = "key_service_unreachable"


class KeyServiceStopped(VaultError):
    """A key service was stopped, or knows this server no longer: somebody wants that."""

    code = "key_service_stopped"


class SharesRefused(VaultError):
    code = "shares_refused"


class KeyWrong(VaultError):
    code = "key_wrong"


class KeyRefused(VaultError):
    code = "key_refused"


class OrganizationLocked(VaultError):
    """Nobody gets the keys of this organization until one of its admins unlocks them (vault/locks.py)."""

    code = "organization_locked"

    def __init__(self, sentence: str = LOCKED) -> None:
        super().__init__(sentence)


class KeysDestroyed(OrganizationLocked):
    """For good (vault/destruction.py)."""

    code = "keys_destroyed"

    def __init__(self) -> None:
        super().__init__(DESTROYED)


class StrictRefused(VaultError):
    """Of a strict organization (vault/strict.py); the sentence says what to do."""

    code = "strict_refused"


class IndexKeyReplaced(VaultError):
    """What is at hand was computed with an index key that isn't the current one any more."""

    code = "index_key_replaced"

    def __init__(self) -> None:
        super().__init__("The key that finds addresses was replaced meanwhile. Try again.")


class IndexKeyBusy(VaultError):
    code = "index_key_busy"

    def __init__(self) -> None:
        super().__init__("An import writes all the time. Run this again once it's done: it goes on where it was.")


class RecordBroken(VaultError):
    code = "record_broken"


class DataBeforeRelease(VaultError):
    code = "database_before_release"

    def __init__(self) -> None:
        super().__init__(BEFORE_RELEASE)
