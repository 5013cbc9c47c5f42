"""What is loaded once a place is reached over SSH."""
