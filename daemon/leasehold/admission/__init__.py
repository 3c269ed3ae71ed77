"""Whether one more lease may be made: quotas of the policy, and how a refusal is told."""
