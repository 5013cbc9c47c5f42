"""A connection that follows the public database's file: the worker puts a new one in the place of one that broke."""

import os
from collections.abc import Mapping
from urllib.parse import quote

from samizdat.sqlite import base


class DatabaseWrapper(base.DatabaseWrapper):
    """OPTIONS["mode"]: `rw`, or `ro` for the public process. It makes no file: one made by chance in the place of the
    public database's would be empty."""

    _opened: tuple[int, int] | None = None

    def get_connection_params(self) -> dict[str, object]:
        given = super().get_connection_params()
        place = f"file:{quote(str(self.settings_dict['NAME']))}?mode={given.pop('mode', 'rw')}"
        return given | {"database": place}

    def get_new_connection(self, conn_params: Mapping[str, object]) -> object:
        self._opened = self._there()
        return super().get_new_connection(conn_params)

    def ensure_connection(self) -> None:
        if self.connection is not None and not self.in_atomic_block and self._there() != self._opened:
            self.close()
        super().ensure_connection()

    def _there(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self.settings_dict["NAME"])
        except OSError:
            return None
        return status.st_dev, status.st_ino
