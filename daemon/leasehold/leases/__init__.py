"""Leases: their life (pure), their arithmetic (pure), their names, and where they are kept."""
