"""leasehold hands out credentials that die on their own."""

__version__ = "0.1.0"
