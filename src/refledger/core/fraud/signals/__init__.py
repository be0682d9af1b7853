"""The signals, one module per family. Each is a pure function of the case; SIGNALS lists a family's, in
order.
"""
