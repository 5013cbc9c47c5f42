"""How long things are kept: what is fixed for every house, and what each list decides."""

from datetime import date, datetime, timedelta

# Backups of the whole house are to go after so many days (threat model, T8), so that what is erased today is nowhere
# after that. The house makes none and can throw none away; `doctor` looks at the folder that it is told of.
BACKUP_DAYS = 30
# The public pages promise this to whoever did not confirm (audience/actions/expire_signups.py adds a day of grace).
UNCONFIRMED_DAYS = 7
# Uploaded files of an import.
UPLOAD_HOURS = 24
# After readers who did not answer were moved out, this long it can be taken back as one.
UNDO_DAYS = 7

# Shortest and longest of what a list may decide. A day is too short to notice a mistake; nobody reads 10 years ahead.
LEFT_DAYS = (7, 3650)
DELIVERY_MONTHS = (1, 120)


def gone_from_backups(today: date) -> date:
    """From this day on no backup holds what is erased today."""
    return today + timedelta(days=BACKUP_DAYS)


def months_before(now: datetime, months: int) -> datetime:
    """The same moment so many months ago; the last day of the month where it has no such day."""
    whole = now.year * 12 + now.month - 1 - months
    year, month = divmod(whole, 12)
    for day in range(now.day, 27, -1):
        try:
            return now.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return now.replace(year=year, month=month + 1)
