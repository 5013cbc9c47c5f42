"""Readers set aside with a campaign. Drafts of digests that wait for a person get those whom they gather for."""

import struct
from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

ROWS = 5_000


def set_aside(apps: Any, _schema: Any) -> None:
    aside, subscriptions = apps.get_model("delivery", "SetAside"), apps.get_model("audience", "Subscription")
    for draft in apps.get_model("campaigns", "Campaign").objects.filter(is_digest=True, state="draft"):
        chose = Q(frequency__in=(2, 4), digest_turn__lte=draft.digest_round)
        left = Q(frequency=3, digest_turn__gt=draft.digest_round)
        rows = subscriptions.objects.filter(chose | left, list=draft.list_id).order_by("subscriber_id")
        numbers = [row & ((1 << 40) - 1) for row in rows.values_list("subscriber_id", flat=True)]
        for at in range(0, len(numbers), ROWS):
            part = numbers[at : at + ROWS]
            aside.objects.create(campaign=draft, numbers=struct.pack(f">{len(part)}Q", *part))


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0009_varianttotal"),
        ("campaigns", "0011_contest"),
        ("audience", "0017_subscription_unbound"),
    ]

    operations = [
        migrations.CreateModel(
            "SetAside",
            [
                ("id", models.BigAutoField(primary_key=True)),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="campaigns.campaign"
                    ),
                ),
                ("numbers", models.BinaryField()),
            ],
        ),
        migrations.RunPython(set_aside, migrations.RunPython.noop),
    ]
