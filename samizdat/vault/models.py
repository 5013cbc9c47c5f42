"""The keys of every organization, each wrapped by the instance key."""

from django.db import models

KINDS = ("data", "index", "link", "box")


class VaultKey(models.Model):
    """One key. `number` is what stands before a blob or in a token: it outlives moves, so link numbers are random.

    data, index: small numbers from 1, in order of rotation. link, box: a random 32-bit number.
    """

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="keys")
    kind = models.CharField(max_length=8)
    number = models.BigIntegerField()
    wrapped = models.BinaryField()
    public = models.BinaryField(default=b"")  # box: the X25519 public key.
    # A key that isn't current came along with an export, or was replaced, on the day of `created`. `wrapped` opens
    # under both alone, and under number and uid of its organization (keyring.label).
    current = models.BooleanField(default=True)
    # index: it is to be the current one once every process knows it (backup/index_rotation.py).
    coming = models.BooleanField(default=False, db_default=False)
    created = models.DateField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "kind", "number"], name="vaultkey_once")]


class KeyLock(models.Model):
    """Whether an organization's keys are locked (locks.py). Its row stays once it was locked; without one it never
    was."""

    organization = models.OneToOneField(
        "accounts.Organization", models.CASCADE, primary_key=True, related_name="key_lock"
    )
    locked = models.BooleanField()
    destroyed = models.BooleanField(default=False, db_default=False)  # For good; it is locked as well, then.
    serial = models.BigIntegerField()  # How often it was locked and unlocked: an older row that is put back is older.
    at = models.DateTimeField()
    by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")  # None: on the server.
    mac = models.BinaryField(max_length=32)


class KeyDestruction(models.Model):
    """That an organization's keys are to be destroyed (delivery/actions/key_destruction.py). `number`: how often it was
    asked for, by the event log."""

    organization = models.OneToOneField("accounts.Organization", models.CASCADE, primary_key=True, related_name="+")
    number = models.BigIntegerField()
    hours = models.PositiveSmallIntegerField()  # Of waiting, from the second person's yes on.
    asked = models.DateTimeField()
    by = models.ForeignKey("accounts.Person", models.CASCADE, related_name="+")
    confirmed = models.DateTimeField(null=True)
    confirmed_by = models.ForeignKey("accounts.Person", models.CASCADE, null=True, related_name="+")
    waited_seconds = models.FloatField(default=0, db_default=0)
    mac = models.BinaryField(max_length=32, default=b"", db_default=b"")


class StrictKey(models.Model):
    """One of those whose passphrase unlocks a strict organization (strict.py), or who is about to be: `sealed` is
    empty, then."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="strict_keys")
    person = models.ForeignKey("accounts.Person", models.CASCADE, related_name="+")
    wrapped = models.BinaryField()  # Their private key, under their passphrase: a text (docs/key-formats.md).
    public = models.BinaryField(max_length=32)
    sealed = models.BinaryField(default=b"")  # The strict key, to `public`.
    created = models.DateField()
    mac = models.BinaryField(max_length=32, default=b"")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "person"], name="strictkey_once")]


class LockCodeSet(models.Model):
    """Codes on paper that lock an organization by email. `sealed`: a lock_codes.CodeSet."""

    organization = models.OneToOneField("accounts.Organization", models.CASCADE, primary_key=True, related_name="+")
    sealed = models.BinaryField()


class ShareSet(models.Model):
    """That key shares were made: how many, when, and when they were last tried (vault/shares.py), wrapped by the
    instance key. A thief is not told how many people to look for."""

    wrapped = models.BinaryField()


class Proof(models.Model):
    """A known word wrapped by the instance key: tells at once whether a key file belongs to this database."""

    wrapped = models.BinaryField()


class NextInstanceKey(models.Model):
    """The instance key that replaced the one before it, wrapped by that one: a start with either of them works, until
    the new one is where it comes from (instance_exchange.py)."""

    wrapped = models.BinaryField()


class KeptKey(models.Model):
    """A key that was derived from a former instance key, for one purpose (purposes.py), wrapped by the present one: it
    reads and checks what was made with it."""

    purpose = models.CharField(max_length=40)
    number = models.PositiveSmallIntegerField()  # Of the instance key; the first one has 1.
    through = models.BigIntegerField()  # The highest number of a row that it was made for.
    wrapped = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["purpose", "number"], name="keptkey_once")]
