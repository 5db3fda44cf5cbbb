"""Ways of telling people, one file each."""
