"""A row leads to rows of its own organization alone. What a key in a column leads to is opened with the keys of that
row's organization: whoever writes the database would have one organization read, and send, what another one wrote."""

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db.models import Model
from django.db.models.fields.related_descriptors import (
    ForwardManyToOneDescriptor,
    ForwardOneToOneDescriptor,
    ReverseOneToOneDescriptor,
)

from samizdat.core.crypto.seal import SealBroken

if TYPE_CHECKING:
    Forward = ForwardManyToOneDescriptor[Any]
    ForwardOne = ForwardOneToOneDescriptor[Any]
    ReverseOne = ReverseOneToOneDescriptor[Any, Any]
else:  # They have no type arguments at run time.
    Forward = ForwardManyToOneDescriptor
    ForwardOne = ForwardOneToOneDescriptor
    ReverseOne = ReverseOneToOneDescriptor


def _checked(here: Any, there: Any) -> Any:
    if here is not None and there is not None and _whose(here) != _whose(there):
        raise SealBroken
    return there


def _whose(row: Any) -> int | None:
    """The number of its organization: of its column or property, or of the row that it is a part of."""
    by = getattr(row, "part_of", None)
    number: int | None = getattr(row, by).organization_id if by else row.organization_id
    return number


class ForwardWithin(Forward):
    def __get__(self, instance: Any, cls: Any = None) -> Any:
        return _checked(instance, super().__get__(instance, cls))


class ForwardOneWithin(ForwardOne):
    def __get__(self, instance: Any, cls: Any = None) -> Any:
        return _checked(instance, super().__get__(instance, cls))


class ReverseOneWithin(ReverseOne):
    def __get__(self, instance: Any, cls: Any = None) -> Any:
        return _checked(instance, super().__get__(instance, cls))


def guard() -> None:
    """Puts the question before each way between two rows of which it is known whose they are."""
    for model in apps.get_models():
        for field in model._meta.fields:
            if is_between_ours(model, field):
                _guard(model, field)


def is_between_ours(model: type[Model], field: Any) -> bool:
    leads_on = _is_somebodys(model) and _is_somebodys(field.related_model)
    return leads_on and field.name != getattr(model, "part_of", None)


def _is_somebodys(model: Any) -> bool:
    return hasattr(model, "organization_id") or hasattr(model, "part_of")


def _guard(model: Any, field: Any) -> None:
    if not field.one_to_one:
        setattr(model, field.name, ForwardWithin(field))
        return
    setattr(model, field.name, ForwardOneWithin(field))
    back = field.remote_field.get_accessor_name()
    if back:
        setattr(field.related_model, back, ReverseOneWithin(field.remote_field))
