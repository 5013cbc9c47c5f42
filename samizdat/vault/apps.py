"""Keys of this process, for what stands below them."""

from django.apps import AppConfig


class VaultConfig(AppConfig):
    name = "samizdat.vault"

    def ready(self) -> None:
        # Models are there only now.
        from samizdat.publicdb import signed_rows
        from samizdat.vault import keyring

        signed_rows.sign_by(lambda: keyring.derive("public pages"))
