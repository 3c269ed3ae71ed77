"""Tokens as verbs: make, recognise, renew, revoke, sweep; and responses that wait for theirs."""
