"""A mine without a mine: the physics of failure behind real Modbus servers.

It may import the vocabulary. Only `simulators.proving` may reach into other rooms.
"""
