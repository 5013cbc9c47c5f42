"""What the key server tells the public process: keys that read the tokens in letters' links, and those that it seals
to, no other. And of which organizations it tells a sender keys."""

import base64
import logging
from datetime import timedelta

from django.db import connections
from django.db.models import Q

from samizdat import dbclock
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns.models import Campaign
from samizdat.core.crypto import seal, strict, tokens
from samizdat.incoming import mail_space
from samizdat.vault import keyring
from samizdat.vault.errors import KeyRefused, KeyWrong, OrganizationLocked
from samizdat.vault.locks import with_keys
from samizdat.vault.models import VaultKey
from samizdat.vault.source import InstanceSource, KeySource

log = logging.getLogger("samizdat.worker")
_told = set[int]()  # Once in a process: it is asked every few seconds.

# Who holds a leave token may leave; "test" is in the links of test letters, and "webhook" in the addresses that
# providers deliver to, which prove nothing but whose they are. Return addresses and Message-IDs are none of the public
# process's business.
PURPOSES = ("leave", "preferences", "test", "webhook")
# What can be read proves, and what proves makes: a public process that was taken would sign up whom it likes and press
# the links of their mails itself, or answer for everybody who is asked again. So of these it is told what they say, and
# no more.
LOOKED_AT = ("confirm", "stay", "asks")
JUST_OVER = timedelta(hours=1)


def reader_links(source: KeySource) -> list[dict[str, object]]:
    """[{"organization": hex uid, "number": of the link key, "keys": {purpose: base64 of given()}, "until": the last day
    (UTC) on which a former key serves more than leaving, "" for one of our own}]."""
    try:
        # Of one number the last counts: that of whoever signs by it, else of whoever has had it here for longest.
        rows = list(
            VaultKey.objects.filter(with_keys("organization__"), kind="link")
            .select_related("organization")
            .order_by("current", "-id")
        )
    finally:
        connections.close_all()  # Called from the key server's threads, which live as long as their child.
    readings = [(row, _reading_or_none(source, row)) for row in rows]
    if rows and not any(reading for _row, reading in readings):
        raise KeyWrong("No key of any links opens with this key file. Restore the key file or the database.")
    for row, reading in readings:
        if reading is None and row.pk not in _told:
            _told.add(row.pk)
            log.error("A link key of organization %d doesn't open; links made with it don't work.", row.organization_id)
    return [reading for _row, reading in readings if reading]


def _reading_or_none(source: KeySource, row: VaultKey) -> dict[str, object] | None:
    """None for one that doesn't open: whoever writes the database has written it, and the links of all others work."""
    try:
        return _reading(source, row)
    except KeyWrong:
        return None


def box_key(source: KeySource, uid: bytes) -> tuple[int, bytes]:
    """(number, X25519 public key) that an organization's readers' words are sealed to. Errors: VaultError.

    Made from the private key, which opens under the name of this organization alone: whoever writes the database could
    put a public key of their own into its column, or into the public database, and read every later sign-up.
    """
    try:
        rows = VaultKey.objects.select_related("organization").filter(
            with_keys("organization__"), organization__uid=uid, kind="box", current=True
        )
        row = rows.order_by("id").first()
    finally:
        connections.close_all()  # As above.
    if row is None:
        raise KeyRefused("No organization here has this key.")
    label, wrapped = keyring.label_of(row, row.organization), bytes(row.wrapped)
    if isinstance(source, InstanceSource):
        # Of a strict organization the public key stands under the instance key: it is sealed to while it is locked.
        inner = source.unwrap_outer(label, wrapped)
        return row.number, strict.public_of(inner) if strict.is_wrapped(inner) else seal.public_key(inner)
    return row.number, seal.public_key(source.unwrap(label, wrapped))


def own_mailboxes() -> list[dict[str, object]]:
    """[{"organization": hex uid, "addresses": to which mail comes back, "keys": numbers of its link keys, "most": bytes
    of the largest message that is taken in now, "most_of_strangers": without a code in its address}]."""
    try:
        numbers: dict[int, list[int]] = {}
        for owner, number in VaultKey.objects.filter(kind="link").values_list("organization", "number"):
            numbers.setdefault(owner, []).append(number)
        rows = [(row, _mailboxes(row)) for row in Organization.objects.filter(with_keys()).order_by("pk")]
        return [
            {
                "organization": bytes(row.uid).hex(),
                "addresses": addresses,
                "keys": numbers.get(row.pk, []),
                "most": room.most(True),
                "most_of_strangers": room.most(False),
            }
            for row, addresses in rows
            if addresses and (room := mail_space.room(row))
        ]
    finally:
        connections.close_all()  # As above.


# Organization -> its mailboxes, as they were when its settings were last open.
_opened: dict[int, list[str]] = {}


def _mailboxes(row: Organization) -> list[str]:
    """While it is locked mail is taken in as before. After a start nobody knows but by its row, which says where its
    own mail goes, and gives nobody anything."""
    try:
        with keyring.opened_once(row) as keys:
            _opened[row.pk] = leading(row, keys).mailboxes
    except OrganizationLocked:
        return _opened.get(row.pk) or [*filter(None, (row.return_address, row.unsubscribe_mailbox))]
    return _opened[row.pk]


def has_to_send(organization: int, uid: bytes) -> bool:
    """Whether an organization has a campaign that was released and isn't over, or wasn't an hour ago: its last answers,
    and what a sender that was killed left, are still to be written down.

    By what stands in the database, which a sender may write: one that was taken can make a campaign look so, and be
    seen there. It keeps a sender that writes nothing, and every fault of ours, from what nobody sends.
    """
    over = Q(state__in=("finished", "cancelled"), pending=0, deferred=0, changed__lt=dbclock.now() - JUST_OVER)
    released = Campaign.objects.filter(organization=organization, organization__uid=uid, edition__isnull=False)
    try:
        return released.exclude(over).exists()
    finally:
        connections.close_all()  # As above.


def _reading(source: KeySource, row: VaultKey) -> dict[str, object]:
    uid = bytes(row.organization.uid)
    key = tokens.LinkKey(row.number, source.unwrap(keyring.label_of(row, row.organization), bytes(row.wrapped)))
    keys = {purpose: base64.b64encode(secret).decode() for purpose, secret in given(key).items()}
    until = "" if row.current else (row.created + keyring.AFTER_A_MOVE).isoformat()
    return {"organization": uid.hex(), "number": row.number, "keys": keys, "until": until}


def given(key: tokens.LinkKey) -> dict[str, bytes]:
    """What the public process holds of a link key, by purpose."""
    reading = {purpose: tokens.reading_key(key, purpose) for purpose in PURPOSES}
    looking = {purpose: tokens.looking_key(key, purpose) for purpose in LOOKED_AT}
    return reading | looking | {"target": tokens.target_key(key)}
