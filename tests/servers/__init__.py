"""Private instances of real servers, started on loopback by fixtures."""
