"""Of the demo: who signs in, how many readers there are, and which ports are used."""

ADMIN = "clara@northern-lantern.example"
PASSWORD = "a lamp in the north"
PEOPLE = 2000

# Beside the desk's port: public pages, the inbox, the mail catcher itself.
PUBLIC, INBOX, SMTP = 1, 2, 25

# Messages a second for the letter that is under way: slow enough to be watched, paused and stopped.
SLOW = 3.0
