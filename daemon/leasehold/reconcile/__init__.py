"""From the policy as it is served to the policy as it is wanted: plan, limits, apply."""
