"""Fundraisers and their sums. No row, and no column, is about a donation or a donor."""

from django.db import models


class Fundraiser(models.Model):
    """A page that asks for money. Its sums are sealed: by the sum of a day a bank's data would show who donated."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="fundraisers")
    details_sealed = models.BinaryField(default=b"")  # JSON: core/donations.FundraiserDetails.
    sums_sealed = models.BinaryField(default=b"")  # JSON: core/donations.SumRecord.
    created = models.DateTimeField()
    by = models.ForeignKey("accounts.Person", models.SET_NULL, null=True, related_name="+")
