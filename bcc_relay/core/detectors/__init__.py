"""One question a file: facts in, a finding or nothing out. The list of detectors stands here."""
