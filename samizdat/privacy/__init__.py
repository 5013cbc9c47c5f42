"""What a reader may ask for, how long things are kept, and what the house owes to an authority."""
