"""Triggers of another library, obspy, in an environment of its own.

    obspy_peer.py SHORT LONG ON OFF < samples as JSON

Prints both ratios, and the triggers of the recursive one, as JSON.
"""

import json
import sys

import numpy as np
from obspy.signal.trigger import classic_sta_lta_py, recursive_sta_lta_py, trigger_onset

short, long = int(sys.argv[1]), int(sys.argv[2])
on, off = float(sys.argv[3]), float(sys.argv[4])
trace = np.array(json.load(sys.stdin))
recursive = recursive_sta_lta_py(trace, short, long)
found = {
    "classic": classic_sta_lta_py(trace, short, long).tolist(),
    "recursive": recursive.tolist(),
    "triggers": np.asarray(trigger_onset(recursive, on, off)).tolist(),
}
sys.stdout.write(json.dumps(found))
