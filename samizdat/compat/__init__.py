"""APIs of other services, answered by us: a folder for each, so that none of their words leaves it."""
