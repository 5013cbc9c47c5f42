"""What the topics of findings are called: on the page Health and in alarms."""

from django.utils.translation import pgettext_lazy

TOPICS = {
    "backup": pgettext_lazy("health", "Backups"),
    "campaign": pgettext_lazy("health", "Campaigns"),
    "clock": pgettext_lazy("health", "Clock"),
    "consent": pgettext_lazy("health", "Consent records and log"),
    "copy": pgettext_lazy("health", "Copies of accounts elsewhere"),
    "database": pgettext_lazy("health", "Database"),
    "disk": pgettext_lazy("health", "Disk"),
    "domain": pgettext_lazy("health", "Domains and DNS"),
    "files": pgettext_lazy("health", "Data folder"),
    "keys": pgettext_lazy("health", "Keys"),
    "logs": pgettext_lazy("health", "Logs"),
    "look": pgettext_lazy("health", "Checks"),
    "mail": pgettext_lazy("health", "Incoming email"),
    "memory": pgettext_lazy("health", "Memory"),
    "organization": pgettext_lazy("health", "Organization"),
    "pages": pgettext_lazy("health", "Public pages and certificates"),
    "place": pgettext_lazy("health", "Copies of the installation"),
    "postfix": pgettext_lazy("health", "Your own Postfix"),
    "process": pgettext_lazy("health", "Processes"),
    "publicdb": pgettext_lazy("health", "Public database"),
    "rescue": pgettext_lazy("health", "Closed accounts elsewhere"),
    "sending": pgettext_lazy("health", "Sending"),
    "server": pgettext_lazy("health", "Server"),
    "swap": pgettext_lazy("health", "Swap"),
    "version": pgettext_lazy("health", "Versions"),
    "webhook": pgettext_lazy("health", "Webhooks"),
    "work": pgettext_lazy("health", "Workers and jobs"),
    "writing": pgettext_lazy("health", "Texts and spelling"),
}
