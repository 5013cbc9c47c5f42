"""A list rebuilt from old mailboxes, where a group has lost its account. `archives` opens mbox files, Maildir and other
folders of emails, and Google Takeout; `mailboxes` has every email read by a process without keys; `proposal` is what an
import takes in. Nothing of it is written on the disk in the clear.
"""
