"""What old emails say about addresses, where a group has lost its list and has nothing but its mailboxes.

`reading.read_all` reads emails one by one: bounces, complaints, people who wrote, and notices of services (notices/, a
file for each). `fold.fold` puts together what all of them say of an address, where the strongest status wins.
"""
