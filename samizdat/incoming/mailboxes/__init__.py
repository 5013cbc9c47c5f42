"""Mailboxes at any provider that are polled: what waits there is taken in, then deleted or moved there.

`settings` reads where one is; `sealed` keeps that and how far we are; `connection` leads there; `imap` and `pop3` are
two ways to read; `polling` takes in; `actions` adds and removes. The worker's threads are in worker/mail/mailbox_polls.
"""
