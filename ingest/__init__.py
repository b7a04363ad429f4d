"""From the wire to the committed transaction: receive, convert, judge, detect, commit, acknowledge.

It may import the vocabulary, the historian and alarms; it knows nothing of the page or the edge.
"""
