"""Proving the whole: demo supervisor, ledger comparison, benches; imported by no other room."""
