"""The rule language, the built-in rules and the decision."""
