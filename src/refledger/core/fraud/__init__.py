"""Fraud: a signal notices, a policy judges, a person decides.

case.py      what is known about one report
signal.py    what a signal is, and what it may answer
signals/     the signals, one module per family        catalogue.py   all of them, in order
sightings.py what a report leaves behind, so that later ones can be compared with it
policy.py    what each signal is worth, as versioned data        presets.py   whole policies to begin with
scoring.py   the verdict, and the record it is explained from
replay.py    what was decided, decided again under another policy        flips.py     what would have been different
"""
