"""Where the policy that is served comes from: a directory, or one ref of a git repository."""
