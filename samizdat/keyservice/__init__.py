"""`samizdat keyservice`: a program of its own on another host, which hands the instance key to servers that it knows,
for as long as it is told (docs/key-service.md). It has no Django, no database and nothing of an installation."""
