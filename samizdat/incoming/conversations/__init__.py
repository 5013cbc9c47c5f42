"""The inbox: what people wrote back, and what the team answers."""
