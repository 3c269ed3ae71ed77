"""The ways to log in that a policy configures: which are installed, and those that are served."""
