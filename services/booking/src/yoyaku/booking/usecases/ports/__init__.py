"""What the use cases need from the outside world: one module a subject.

Invariant: everything done through one `Transaction` commits together with its events, or not at all.
"""
