"""Moving to another server, address, provider or sending domain: how far it has come, and what is next."""
