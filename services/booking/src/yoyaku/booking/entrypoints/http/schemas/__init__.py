"""What the API takes and gives, as it stands in the OpenAPI document: one module a resource.

Invariant: input is strict and refuses unknown fields; another user's title never enters an output for a USER (ID-05).
"""
