"""The commands for people: `yoyaku login`, `rooms`, `availability`, `book`, `my`, `move`, `cancel`, `logout`.

Exit codes of all of them: 0 done, 2 wrong usage, 3 refused (taken, not permitted, not there, against a rule),
4 not signed in, 5 the gateway cannot be reached or cannot answer now.
"""
