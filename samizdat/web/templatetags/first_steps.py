"""The next step of setting up, at the end of the one before."""

from typing import Any

from django import template
from django.template.context import Context

from samizdat.web import first_steps

register = template.Library()


@register.inclusion_tag("web/parts/next_step.html", takes_context=True)
def next_step(context: Context) -> dict[str, Any]:
    """Nothing for whoever may not write, once a campaign was scheduled or sent, and on the page of the step itself."""
    request = context["request"]
    step = first_steps.next_step(request) if context["desk"].may_write else None
    return {"request": request, "step": step if step and step.href != request.path else None}
