"""Whose address it is: the organisation's own, a partner's, a stranger's, and whether it is personal."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Organisation:
    """Whose addresses are whose. Domains are in comparing form (lower case, A-labels); each covers what is below it."""

    domains: frozenset[str]
    partners: frozenset[str] = frozenset()
    personal: frozenset[str] = field(default=frozenset(), repr=False)
    """Domains of personal-mail providers."""

    def is_own(self, key: str) -> bool:
        """Whether the address is the organisation's own."""
        return _is_below(key, self.domains)

    def is_outsider(self, key: str) -> bool:
        """Whether the address is neither own nor a partner's."""
        return not _is_below(key, self.domains, self.partners)

    def is_personal(self, key: str) -> bool:
        """Whether an outsider's address is at a personal-mail provider."""
        return key.rpartition("@")[2] in self.personal


def _is_below(key: str, domains: frozenset[str], more: frozenset[str] = frozenset()) -> bool:
    domain = key.rpartition("@")[2]
    while domain:
        if domain in domains or domain in more:
            return True
        _, _, domain = domain.partition(".")
    return False


def matches(key: str, patterns: tuple[str, ...]) -> bool:
    """Whether an address matches any pattern: a whole address, or `@domain` for that domain and those below it.

    Patterns are in comparing form.
    """
    for pattern in patterns:
        if pattern.startswith("@"):
            if _is_below(key, frozenset((pattern[1:],))):
                return True
        elif key == pattern:
            return True
    return False
