"""What goes through a lane: chunks that are ours, slices of them that were checked, and each message to be made out."""

from collections import deque
from dataclasses import dataclass, field

from samizdat.core.mail import outcome as outcomes
from samizdat.delivery.engine.edition_loader import LoadedEdition
from samizdat.delivery.message_values import Recipient
from samizdat.delivery.sealed_chunks import ConditionMasks

# Consent, suppression, pause and fence are asked before each slice (design.md, 6.2): so many messages, or what goes
# out in a twentieth of a second where that is more. Nothing goes out on an answer older than SLICE_SECONDS: with
# rate.UNTAKEN seconds in which what readers sent is taken up, nobody gets anything ten seconds after they left.
SLICE = 50
SLICE_AT_SPEED = 0.05
MOST_SLICE = 500
SLICE_SECONDS = 5.0

UNMAKEABLE, SUPPRESSED = outcomes.NUMBERS["unmakeable"], outcomes.NUMBERS["suppressed"]


@dataclass(slots=True, eq=False)
class Claim:
    """A chunk of ours. The claimer alone writes `rest` and `sliced`, the event loop alone `resolved`."""

    chunk: int
    retry: bool
    opened: LoadedEdition
    rest: deque[int]
    masks: ConditionMasks = field(default_factory=ConditionMasks)
    size: int = 0  # Of the chunk, as it was claimed.
    untouched: int = 0  # The first so many of `rest` were in no slice yet; those that came back stand behind them.
    sliced: int = 0
    resolved: int = 0
    closing: bool = False
    tosses: dict[int, "RouteRejections"] = field(default_factory=dict)


@dataclass(slots=True)
class RouteRejections:
    """How often a message came back because of a route, and which routes those were."""

    count: int = 0
    routes: set[int] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class BatchItem:
    """One message to be made out. `checked`: when their consent was read, on the monotonic clock."""

    claim: Claim
    addressed: Recipient
    provider: int
    checked: float
    generation: int = -1
    size: int = 0  # Bytes of the email while a transport has it.


@dataclass(slots=True, eq=False)
class MessageBatch:
    """A few people of a chunk who may be written to: (number, sealed blob, provider, index of the address) each, then
    items."""

    claim: Claim
    rows: list[tuple[int, bytes, int, bytes]]
    checked: float
    items: deque[BatchItem] = field(default_factory=deque)
    groups: dict[int, dict[str, str]] = field(default_factory=dict)  # By number: what conditions on groups ask.
