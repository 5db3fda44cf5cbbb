"""Who may log in: one file per backend."""
