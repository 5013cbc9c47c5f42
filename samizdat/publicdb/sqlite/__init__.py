"""Django's SQLite for the public database, whose file may be made anew while processes have it open."""
