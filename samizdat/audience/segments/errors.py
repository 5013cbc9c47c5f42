"""What can be refused of a segment; each sentence says what to do."""

from samizdat.audience.errors import AudienceError


class NoSuchSegment(AudienceError):
    code = "no_such_segment"


class SegmentNameTaken(AudienceError):
    code = "segment_name_taken"


class SegmentRefused(AudienceError):
    """What was given is no segment: `code` of core/segment.SENTENCES."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


class SegmentBroken(AudienceError):
    """It asks for a tag, list, field or campaign that is not here any more, or was itself removed."""

    code = "segment_broken"


class SegmentOvertaken(AudienceError):
    code = "overtaken"
