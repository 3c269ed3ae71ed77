"""One module a scenario; `chaos.runner` finds them by their names."""
