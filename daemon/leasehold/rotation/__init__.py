"""Passwords that change: those of administrators, and those of static roles."""
