"""Event models, subjects and the CloudEvents envelope: data only.

What crosses a process boundary is written here once. This package imports pydantic and the standard library,
nothing else, and reaches for no server. `envelope` is the wrapping, the `*_v1` modules are the facts, `registry`
turns facts into bytes and back, `rpc` holds the questions services ask each other, `blocks` what the gateways watch.
"""
