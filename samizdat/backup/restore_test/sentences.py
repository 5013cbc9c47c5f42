"""What a restore test found, and what to do next: one sentence or two for each code."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy

from samizdat.core.backup import layout

UNKNOWN = "broke"
# Whoever tests has another secret key: that says nothing of the backup.
FOREIGN = "foreign_identity"
MANIFEST = "damaged_manifest"
# %(what)s: where it was found.
SENTENCES: dict[str, Promise] = {
    "damaged": lazy("%(what)s is damaged. Delete this file and back up again: it’s written anew. Check the disk."),
    # Of a manifest, for `damaged` above is of what the next backup writes under the same name.
    MANIFEST: lazy(
        "%(what)s is damaged, so this backup can’t be restored. Delete this file and back up again. Check the disk."
    ),
    "missing_pieces": lazy("%(what)s is missing or cut short. Back up again: what’s missing is written anew."),
    "renamed_copy": lazy("%(what)s was renamed or changed. Delete this file and back up again."),
    "other_key": lazy(
        "It doesn’t open with this server’s key. Use a place of its own for each installation, or put back the right "
        "key file, and back up again."
    ),
    FOREIGN: lazy("It isn’t encrypted to this secret key. Name the file with the right one: `--identity FILE`."),
    "other_installation": lazy(
        "Another installation wrote it. Use a place of its own for each installation, and back up again."
    ),
    "no_copy": lazy("There’s no finished backup at this place. Check the path, and back up."),
    "newer_copy": lazy("A newer version of Samizdat wrote it. Install that version here."),
    "older_copy": lazy("An older version of Samizdat wrote it, with other tables. Back up again."),
    "place": lazy(
        "The backup place can’t be read. Check that it’s mounted and can be reached, and that its password is right."
    ),
    "no_room": lazy(
        "There isn’t enough room to restore it: %(what)s MB (needed/free). Make room on the disk of the data folder."
    ),
    "ended": lazy(
        "The process that restores it was killed, as happens when memory runs out. Test again. If that fails too, the "
        "server needs more memory."
    ),
    "counts": lazy("%(what)s has a different number of rows than the backup says. Back up again, to a new folder."),
    "keys": lazy(
        "Its encrypted data doesn’t open with this server’s key. Put back the key file that belongs to it, or back up "
        "again."
    ),
    "tail": lazy("Changes since then can’t be read (%(what)s). Back up again: they begin anew with each backup."),
    "log": lazy(
        "The log in it has gaps or changes (%(what)s). See whether it’s whole on this server: samizdat log check"
    ),
    "consent": lazy(
        "Statuses in it don’t match the consent records (%(what)s). Wait for tonight’s check on this server, back up, "
        "and test again."
    ),
    "emails": lazy("An email can’t be composed from it (%(what)s). Report this to the developers."),
    "torn_copy": lazy("It lacks rows that others belong to. Back up again, to a new folder."),
    UNKNOWN: lazy("Something unexpected went wrong (%(what)s). Report this to the developers."),
}


def sentence(code: str, what: str) -> str:
    """What a failed test found, and what to do."""
    if code == "damaged" and layout.set_time(what) is not None:
        code = MANIFEST
    return str(SENTENCES.get(code, SENTENCES[UNKNOWN])) % {"what": what or code}
