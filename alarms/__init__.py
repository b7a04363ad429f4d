"""From readings to alarms, and from alarms to people.

The pure part (detectors, rules, engine, lifecycle, derivation, chain) turns recorded inputs
into transitions and touches nothing. `journal`, `outbox` and `notify` keep and tell them;
they use the database, and the pure part never imports them.
"""
