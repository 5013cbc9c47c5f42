"""One file per source in `services/`: a class `…Importer` that says what a file is and turns its rows into values.

`base.py` is the contract. `reading/` opens what a person gave and turns rows into values at about the speed of
`csv.reader`. None of them sees a database row.
"""
