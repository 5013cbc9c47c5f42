"""listmonk: `subscribers.csv`. Its status is that of the person in all of listmonk, not on a list.

`enabled` is also who left every list, because who left which list is in listmonk's database alone. So what the enabled
are is asked, and the reason is said.
"""

from samizdat.core.imports import DetectedFile, Problem
from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, meaning


class ListmonkImporter(Service):
    """listmonk's subscribers."""

    name = "listmonk"
    title = "listmonk"
    where = "Subscribers → one list → Export"
    documents = frozenset({"attributes"})
    columns = {
        "uuid": ("out", "provider"),
        "id": ("out", "provider"),
        "email": ("address", ""),
        "name": ("name", ""),
        "attributes": ("field:ATTRIBUTES", ""),
        "created_at": ("opt_in_time", ""),
        "updated_at": ("last_changed", ""),
    }
    words = {"status": meaning(asked="enabled", unsubscribed="disabled", complained="blocklisted,blacklisted")}

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        return {"email", "name", "attributes"} <= labels and (len(labels) == 3 or bool(labels & {"uuid", "status"}))

    def more(self, files: list[DetectedFile]) -> list[Problem]:
        return [Problem("lists_unsaid", file.name, stops=False) for file in files if file.column("status")]
