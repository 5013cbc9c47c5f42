"""Pages. A view finds, asks, answers; a fourth step would be an action."""
