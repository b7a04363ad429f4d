"""Ways of telling people and other systems: a file per way, and the service that runs them.

Each destination has a task of its own, so that one that hangs holds up no other. What must be
told comes from the outbox; nothing here decides whether something is an alarm.
"""
