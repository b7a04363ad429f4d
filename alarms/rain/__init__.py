"""Rain that moves ground: sums over windows, storms, and the lines beyond which slopes fail.

Pure, and over binned rain: [gauge, bin] millimetres that fell in bins of one width, NaN where the
gauge did not say. A missing bin is never a dry one: sums tell how much of their window is known.
"""
