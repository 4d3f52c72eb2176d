"""What stands around every request: who asks, from where, how much, how long, and how a process leaves."""
