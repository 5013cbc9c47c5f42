"""What a password has to be, said in our words."""

from typing import Any

from django.contrib.auth.password_validation import CommonPasswordValidator, MinimumLengthValidator
from django.utils.translation import gettext as _


class LongEnough(MinimumLengthValidator):
    """Until passkeys exist a password opens everything."""

    def get_error_message(self) -> Any:
        text = _("This password is shorter than %(n)s characters. Take four or five words that do not belong together.")
        return text % {"n": self.min_length}


class NotCommon(CommonPasswordValidator):
    """None of the twenty thousand that are tried first."""

    def get_error_message(self) -> Any:
        return _("This password is one of those that are tried first. Take four or five words of your own.")
