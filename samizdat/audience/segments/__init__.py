"""Saved conditions over the audience: their SQL, who is in them, and how they are said."""
