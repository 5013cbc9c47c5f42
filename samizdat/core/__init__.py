"""What is true: pure functions over values. No Django, no files, no network, no clock, no chance.

Keys, times and nonces come in as arguments, so that every rule here can be tested as a table.
"""
