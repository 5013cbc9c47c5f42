"""What campaigns refuse; each sentence says what to do."""


class CampaignError(Exception):
    """`code` for the API, the text for the person."""

    code = "campaign"


class NoSuchCampaign(CampaignError):
    code = "no_such_campaign"


class DraftChangedMeanwhile(CampaignError):
    """Somebody else saved since this draft was opened; nothing was written. `is_own`: it was the same person."""

    code = "overtaken"
    is_own = False


class NotADraft(CampaignError):
    code = "not_a_draft"


class ContentHasProblems(CampaignError):
    """The letter cannot go out; `flaws` say where and why."""

    code = "flaws"

    def __init__(self, sentence: str, flaws: tuple[object, ...]) -> None:
        super().__init__(sentence)
        self.flaws = flaws


class BadPicture(CampaignError):
    code = "bad_picture"


class StorageFull(BadPicture):
    """It, or a template, is more than the organization may store."""

    code = "storage_full"


class PictureShown(CampaignError):
    """A letter that was sent shows it; nothing was removed."""

    code = "picture_shown"


class BrandRefused(CampaignError):
    """`field`: which setting it speaks of."""

    code = "brand"

    def __init__(self, sentence: str, field: str) -> None:
        super().__init__(sentence)
        self.field = field
