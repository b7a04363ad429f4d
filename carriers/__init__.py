"""Carriers: what the edge's and the centre's ends of a broker have in common.

Connections to MQTT brokers, and nothing about what travels over them: the vocabulary is all that
this room knows of the others, so that both the edge agent and ingest may use it.
"""
