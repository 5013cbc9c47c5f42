"""How many of each kind an organization has at most. Pages, restores and the worker open all of them at once, beside
everybody else's work: without a bound one organization would keep the others waiting.
"""

LISTS, FORMS, FIELDS = 50, 50, 200
LISTS_EVER = 2 * LISTS  # with those that were deleted: consent records name them
# Versions of all consent texts: those of 50 lists in three languages, each changed 15 times.
WORDINGS = 5_000
# Consent records of one subscriber: statuses on all lists are computed from all of them at each change, in one
# transaction. With so many, a no is recorded and a yes isn't; so there are never twice as many.
RECORDS = 500
# Choices in the preference centre that are written down of one subscriber in a day (UTC): whoever has a link of theirs
# presses it as often as they like, and with their own keys has as many links as they like. Behind it only what means
# fewer emails counts, which nobody does twice.
CHOICES = 100
# Tags of one subscriber: each is a row of its own, and a file of 5 MB can give a hundred people ten thousand.
TAGS_EACH = 200
# Characters of one value, and bytes of all that is kept of one subscriber (seal.pack): pages hold hundreds of them.
LONGEST_VALUE, HEAVIEST_SUBSCRIBER = 10_000, 64 << 10
# Addresses that are pasted into the suppression list, besides one for each subscriber: a comparison holds all of them,
# 480 bytes each.
SUPPRESSIONS = 200_000
# Columns of all files of one import: the page that maps them offers every field for each.
COLUMNS = 500
