"""Fundraisers: pages that ask for money, ways to pay, and sums by day. Nothing here knows who donated."""
