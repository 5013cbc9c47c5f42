"""What the desk wants to know of other people's servers: asked in lanes of their own."""

from samizdat import hours
from samizdat.delivery.actions import questions
from samizdat.worker.lanes import Lanes

# A lane has one session of PostgreSQL while it works.
lanes = Lanes(3, 1, lambda organisation: questions.answer_all(organisation, hours.now))


def look() -> None:
    """Once a second."""
    if asked := questions.waiting():
        lanes.offer(asked)
