"""When will this slope fail? Laws of creep read backwards, from growing movement to its end.

The question is asked of many channels at once, over binned means of displacement; the answer is a
time with an interval, or the reason why there is none. Pure NumPy: it may import the vocabulary
and nothing that waits, stores or tells. `forecasting.forecast` is the product; every other file
answers one part of the question and can be used alone.
"""
