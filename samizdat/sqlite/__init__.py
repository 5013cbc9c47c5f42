"""Django's SQLite, strict about types as PostgreSQL is: what is read and what SQL compares are the same bytes."""
