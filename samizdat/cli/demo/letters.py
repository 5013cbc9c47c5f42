"""The invented letters of the demo's invented organization."""

from samizdat.campaigns.drafts.draft import Draft

_SENDER = {"from_name": "Northern Lantern", "from_email": "letter@northern-lantern.example"}

FINISHED = Draft(
    **_SENDER,
    subject="Letters they did not let through",
    preheader="What the prison censor crossed out in October, and one line he missed.",
    body="""# Letters they did not let through

Good morning{% if FNAME %}, {{ FNAME }}{% endif %},

in October forty-one letters came back to us. The censor had stamped every one of them; on thirty-eight he gave
no reason at all. [We have put the envelopes on the table](https://northern-lantern.example/envelopes) and read what
could still be read.

## What was crossed out

The weather. The name of a dog. A recipe for bread that a grandmother had dictated by telephone. A chess move:
*knight to f6*. We asked the administration why, and were told that figures and letters together may be a code.

> I can see the tops of three birches from here. I have counted the leaves that are left, and I can tell you.

## What you can do

1. Write to somebody. [A list of people who have nobody](https://northern-lantern.example/write) is on our page.
2. Read [the rules of the post](https://northern-lantern.example/rules): a letter in the right form is harder to stop.
3. Come to [the evening on Thursday](https://northern-lantern.example/evening). There will be tea.

Until next week,
the editors
""",
)

UNDER_WAY = Draft(
    **_SENDER,
    subject="Thursday: what the court heard, hour by hour",
    preheader="Nine hours in room 214, with the interpreter who would not translate.",
    body="""# Nine hours in room 214

Hello{% if FNAME %} {{ FNAME }}{% endif %},

the hearing began at ten with a question about a comma. [Our notes of the whole day](https://northern-lantern.example/214)
are as long as a short novel; here is what matters.

- **10:04** The defence asks for the file. It is in another building.
- **12:30** The interpreter says that she will not translate a sentence that is not in the statute.
- **17:15** The judge reads for forty minutes. Nobody in the last row can hear him.

The next day in court is in two weeks. [We shall be there](https://northern-lantern.example/next).
""",
)

DRAFT = Draft(
    **_SENDER,
    subject="A parcel for the winter",
    preheader="",
    body="""# A parcel for the winter

Dear {{ FNAME | default: "friend" }},

socks, tea, a thermos, paper with lines. This is what …

(Clara, add the list from the lawyers here, and the picture of the shelf.)
""",
)

REMINDER = "You subscribed to The Thursday Letter on our page."
