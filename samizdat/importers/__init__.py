"""One file per source: a class `…Importer` that says what a file is and turns its rows into `Incoming` values.

`base.py` is the contract. `reading.py`, `text.py` and `records.py` open what a person gave; `slices.py` and
`convert.py` turn rows into values at about the speed of `csv.reader`. None of them sees a database row.
"""
