"""What a segment can ask for that stands in tables of deliveries: a condition each, which is known by being here."""
