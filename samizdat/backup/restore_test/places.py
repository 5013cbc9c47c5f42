"""The places whose backups are tested."""

from typing import NamedTuple

from samizdat.delivery import backup_places
from samizdat.delivery.backup_places import KeptPlace


class TestedPlace(NamedTuple):
    """name: for people; secret: its password or key."""

    name: str
    url: str
    secret: str
    public_only: bool = False


def places() -> list[TestedPlace]:
    """Those that the installation keeps. One whose row doesn't open is for `samizdat backup` and `doctor` to say."""
    kept = [each for each in backup_places.all_places() if isinstance(each, KeptPlace)]
    return [
        TestedPlace(
            each.details.url.removeprefix("file://"), each.details.url, each.details.secret, each.details.public_only
        )
        for each in kept
    ]
