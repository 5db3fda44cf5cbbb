"""From a submission and a verdict to everything there is to do, as data."""
