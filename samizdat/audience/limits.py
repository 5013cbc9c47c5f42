"""How many of each kind an organization has at most. Pages, restores and the worker open all of them at once, beside
everybody else's work: without a bound one organization would keep the others waiting.
"""

LISTS, FORMS, FIELDS = 50, 50, 200
# Columns of all files of one import: the page that maps them offers every field for each.
COLUMNS = 500
