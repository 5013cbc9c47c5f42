"""A foreign template becomes one of ours: Mailchimp's, or any page of HTML.

The part that letters are written into becomes {{ content }}; what stood there is kept as a sample. Other parts that
Mailchimp lets a letter fill, repeat or leave out stay so, between comments that name them (layout_store.py). Nothing is
taken out without a note, and every merge tag is accounted for.
"""
