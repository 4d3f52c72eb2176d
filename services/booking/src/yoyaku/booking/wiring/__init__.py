"""How the processes of the booking service are put together: one module a process or subject.

Invariant: nothing is built at import; what is opened here is closed here, in the opposite order.
"""
