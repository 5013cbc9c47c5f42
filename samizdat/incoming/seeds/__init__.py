"""Seed mailboxes: mailboxes of the organization's own at several providers, which get a copy of each campaign by each
of its routes, so that one sees whether it lands in the inbox, in spam, or nowhere."""
