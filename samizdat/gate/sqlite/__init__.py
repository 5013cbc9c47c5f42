"""Django's SQLite for the gate, whose file may be made anew while processes have it open."""
