"""The chaos harness: faults on purpose, and a census by an oracle that uses no code of the daemon.

See docs/chaos.md. `facts` and `invariants` are what is proved; `census` and what it reads by
(`ledger`, `audit_book`, `targets`, `hearing`) are the oracle; `scenarios` are what is done to it.
"""
