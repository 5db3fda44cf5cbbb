"""The story of the 500 families, played on real parts."""
