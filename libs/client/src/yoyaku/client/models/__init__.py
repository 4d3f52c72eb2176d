"""What the gateway answers, as frozen models of the client's own: one module a subject.

Invariant: an unknown field is ignored and an unknown value of a status or role stays text, so that a newer gateway
can be read by an older client.
"""
