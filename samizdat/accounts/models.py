"""Organizations, the people who work for them, and what opens the desk."""

import re
import secrets
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AbstractBaseUser
from django.db import models
from django.db.models import Q
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy as _

from samizdat.accounts import passwords, sealed_people

ROLES = ("admin", "editor", "viewer")
WRITERS = ("admin", "editor")  # Who may do more than look.

COLOR = re.compile(r"#[0-9a-fA-F]{6}")
DEFAULT_ACCENT = "#b3261e"


class Organization(models.Model):
    """A group: the tenant. Its uid is in the associated data of every sealed blob and goes along in a move."""

    uid = models.BinaryField(max_length=16, unique=True)
    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=200)
    language = models.CharField(max_length=8, default="en")
    timezone = models.CharField(max_length=64, default="UTC")
    public_url = models.CharField(max_length=200, blank=True)
    desk_url = models.CharField(max_length=200, blank=True)
    content_url = models.CharField(max_length=200, blank=True)
    postal_address = models.CharField(max_length=400, blank=True)
    return_address = models.CharField(max_length=254, blank=True)  # Where bounces go; empty: to From.
    unsubscribe_mailbox = models.CharField(max_length=254, blank=True)  # Set: a mailto stands beside the https way.
    quiet_hours = models.CharField(max_length=80, blank=True, default="", db_default="")  # "22:00-07:00": no campaigns.
    hostile_state = models.CharField(
        max_length=8, blank=True, default="", db_default=""
    )  # A state: core/jurisdictions.REACH.
    requires_approval = models.BooleanField(
        default=False, db_default=False
    )  # Nothing is released without another's yes.
    accent = models.CharField(max_length=7, default=DEFAULT_ACCENT)
    # sealed_settings.Leading, as they were last written by us: what differs was written by somebody without keys.
    settings_sealed = models.BinaryField(default=b"", db_default=b"")
    next_number = models.BigIntegerField(default=1)  # Subscriber numbers are reserved from here in blocks.
    sending_locked = models.BooleanField(default=False)  # Restored or cloned: sends nothing until a person releases it.
    created = models.DateField()

    class Meta:
        # 40 bits of a subscriber's row are their number (audience/models.row_id): behind them is another organization.
        constraints = [models.CheckConstraint(condition=Q(next_number__lt=(1 << 40)), name="numbers_are_their_own")]

    def __str__(self) -> str:
        return self.name

    def day_of(self, moment: datetime) -> date:
        """By its own time zone."""
        return moment.astimezone(ZoneInfo(self.timezone)).date()


def drawn_number() -> int:
    """Below 2**53, which every reader of our JSON keeps exactly; 0 is nobody's."""
    return 1 + secrets.randbelow((1 << 53) - 1)


class Person(AbstractBaseUser):
    """Someone who signs in. Their address is sealed under the instance key and found by a keyed hash of it and of their
    number: an address may have several accounts, of different organizations (docs/team.md), and whoever has a copy of
    the database and makes one themselves does not see which others are at that address."""

    # Drawn and not counted: roles, approvals, sessions and passwords are bound to this number. Whoever writes the
    # database can set a sequence back, so that somebody new gets the number, and with it the role, of an admin.
    id = models.BigIntegerField(primary_key=True, default=drawn_number, editable=False)
    email_hash = models.BinaryField(max_length=16)
    email_sealed = models.BinaryField()
    name_sealed = models.BinaryField()
    language = models.CharField(max_length=8, default="en")
    timezone = models.CharField(
        max_length=64, blank=True, default="", db_default=""
    )  # Their own; "": the organization's.
    theme = models.CharField(
        max_length=5,
        default="auto",
        choices=[("auto", _("system")), ("light", _("light")), ("dark", _("dark"))],
    )
    # Kinds of mails about work that they do not want, sealed (notice_choices.py); empty: they get all.
    notices_sealed = models.BinaryField(default=b"", db_default=b"")
    is_active = models.BooleanField(default=True)
    created = models.DateField()
    last_login = None  # When somebody worked is nobody's business (design.md, section 4).

    USERNAME_FIELD = "id"
    REQUIRED_FIELDS = []

    def set_password(self, raw_password: str | None) -> None:
        """Needs the number of the row and their sealed address, so save it before."""
        if raw_password is None:
            self.set_unusable_password()
        else:
            self.password = passwords.bound(
                self.pk, passwords.stretched(sealed_people.index_of_person(self), raw_password)
            )

    def holds(self, stretched: str) -> bool:
        """Whether what a password was stretched to is of theirs (passwords.py)."""
        return constant_time_compare(self.password, passwords.bound(self.pk, stretched))

    def check_password(self, raw_password: str | None) -> bool:
        """By the figures and the instance key it was kept with; where they are others today it is kept anew."""
        if not self.has_usable_password():
            return False
        number = passwords.made_by(self.pk, self.password)
        if number is None:
            return False
        index = sealed_people.index_of_person(self, number)
        kept = passwords.kept_as(self.pk, index, raw_password or "", like=self.password, number=number)
        if not constant_time_compare(self.password, kept):
            return False
        if not passwords.is_of_now(self.password, self.pk):
            self.set_password(raw_password)
            self.save(update_fields=["password"])
        return True


class Membership(models.Model):
    """A person's role in an organization."""

    person = models.ForeignKey(Person, models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="memberships")
    role = models.CharField(
        max_length=10, choices=[("admin", _("admin")), ("editor", _("editor")), ("viewer", _("viewer"))]
    )
    created = models.DateField()
    since = models.DateTimeField(null=True)  # When this role was given.
    locked = models.DateTimeField(null=True)  # Since when nothing is accepted from this account (locking.py).
    signed_out = models.DateTimeField(null=True)  # Sessions that began before open this organization no more.
    mac = models.BinaryField(max_length=32, default=b"", db_default=b"")  # row_macs.py: without it there is no role.

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "organization"], name="membership_once")]


class Invitation(models.Model):
    """A link that lets one person in, once. Only a keyed hash of its token is kept."""

    organization = models.ForeignKey(Organization, models.CASCADE)
    token_hash = models.BinaryField(max_length=32, unique=True)
    role = models.CharField(max_length=10)
    note_sealed = models.BinaryField(default=b"")  # For whom, in the words of who invited.
    by = models.ForeignKey(Person, models.SET_NULL, null=True)
    expires = models.DateTimeField()
    used = models.BooleanField(default=False)
    # row_macs.py: empty while it waits for an approval, and once it was used.
    mac = models.BinaryField(max_length=32, default=b"", db_default=b"")


class ApiKey(models.Model):
    """A key of the API (api_keys.py). Only a keyed hash of it is kept, and of its use no more than the last day."""

    organization = models.ForeignKey(Organization, models.CASCADE)
    token_hash = models.BinaryField(max_length=32, unique=True)
    details_sealed = models.BinaryField(default=b"", db_default=b"")  # api_keys.ApiKeyDetails.
    scopes = models.CharField(max_length=200)  # Of api_keys.SCOPES, with a space between.
    lists = models.JSONField(default=list)  # Numbers of the lists it is bound to; empty: all, later ones as well.
    by = models.ForeignKey(Person, models.SET_NULL, null=True)  # None: the command line.
    created = models.DateField()
    expires = models.DateTimeField()
    revoked = models.DateTimeField(null=True)
    used = models.DateField(null=True)  # The last day.
    # row_macs.py: empty while it waits for an approval, and once it was revoked.
    mac = models.BinaryField(max_length=32, default=b"", db_default=b"")


class IdempotentRequest(models.Model):
    """A request to the API that has an Idempotency-Key, and what it was answered (api_requests.py)."""

    organization = models.ForeignKey(Organization, models.CASCADE)
    api_key = models.ForeignKey(ApiKey, models.CASCADE)
    mark = models.BinaryField(max_length=32, unique=True)  # A keyed hash of both keys.
    digest = models.BinaryField(max_length=32)  # A keyed hash of the request.
    day = models.DateField()
    answer_sealed = models.BinaryField(default=b"", db_default=b"")  # api_requests.StoredAnswer; empty: none is kept.


class Session(models.Model):
    """A signed-in browser. The cookie's key is kept as a keyed hash, so that a copied database opens no session."""

    key_hash = models.BinaryField(max_length=32, primary_key=True)
    person = models.ForeignKey(Person, models.CASCADE, null=True)
    data_sealed = models.BinaryField()
    expires = models.DateTimeField(db_index=True)


class AddressChange(models.Model):
    """A new address that somebody asked for (address_change.py): until a day is over, or it is confirmed and the mails
    about it are out."""

    person = models.OneToOneField(Person, models.CASCADE, primary_key=True)
    details_sealed = models.BinaryField()  # address_change.AddressDetails.
    asked = models.BooleanField(default=False, db_default=False)  # The link is out, to the new address.
    noticed = models.BooleanField(default=False, db_default=False)  # The notice is out, to the present one.
    confirmed = models.BooleanField(default=False, db_default=False)


class Attempt(models.Model):
    """Failed sign-ins: of an address, or of one known browser of it; both by keyed hash, with no IP. Throttles
    (throttle.py), and is gone after a day."""

    lane = models.BinaryField(max_length=16, primary_key=True)
    address_hash = models.BinaryField(max_length=16)  # throttle.forget_all(); another one in each lane.
    failures = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField()


class PendingChange(models.Model):
    """Something that one admin asked for and that waits for another one's approval, or for a day (changes.py)."""

    organization = models.ForeignKey(Organization, models.CASCADE)
    kind = models.CharField(max_length=20)
    about = models.BigIntegerField(null=True)  # Number of the row it speaks of: a person, an invitation, a domain …
    details_sealed = models.BinaryField()  # JSON: what is to be done; it may name people.
    by = models.ForeignKey(Person, models.SET_NULL, null=True, related_name="+")
    created = models.DateTimeField()
    noticed = models.DateTimeField(null=True)  # Since when somebody else knows of it: its day begins.
    # Since when mails to every other admin are refused, and when one was last: changes.UNREACHED.
    refused = models.DateTimeField(null=True)
    tried = models.DateTimeField(null=True)
    waited_seconds = models.FloatField(default=0)  # Seconds that have passed, by a clock that nobody can set.
    state = models.CharField(max_length=10, default="waiting")  # waiting, done, stopped, failed
    settled = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(Person, models.SET_NULL, null=True, related_name="+")  # None: its day had passed.
    mac = models.BinaryField(max_length=32, default=b"", db_default=b"")  # row_macs.py: nothing is done without it.

    class Meta:
        indexes = [models.Index(fields=["id"], condition=models.Q(state="waiting"), name="change_waiting")]
