"""What can be wrong with a key; each sentence says what to do."""


class VaultError(Exception):
    """The keys cannot be had. `code` for the API, the text for the person."""

    code = "vault"


class KeyFileMissing(VaultError):
    code = "key_file_missing"


class KeyFileOpen(VaultError):
    code = "key_file_open"


class KeyFileBroken(VaultError):
    code = "key_file_broken"


class KeyWrong(VaultError):
    code = "key_wrong"


class KeyRefused(VaultError):
    code = "key_refused"


class RecordBroken(VaultError):
    code = "record_broken"
