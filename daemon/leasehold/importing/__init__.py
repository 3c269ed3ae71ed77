"""Another system's configuration, read and said again as a policy.

From left to right: `source` says where it is, `reader` reads it, `snapshot` is all that was read;
`engines`, `roles`, `identities` and `grants` say it in our words, with a note for whatever has no
equal; `bundle` puts it together and asks the loader of policies what it takes; `writing` writes it.
"""
