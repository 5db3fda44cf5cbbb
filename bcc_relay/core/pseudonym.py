"""Pseudonyms: what stands for a person or an address where neither may be read, the same for the same one."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

DIGITS = 16


def digits(key: bytes, name: str) -> str:
    """Return 16 hexadecimal digits (HMAC-SHA-256 with `key`, cut) for a name or address.

    The same one gets the same digits whatever its case or Unicode form.
    """
    folded = unicodedata.normalize("NFC", name).casefold()
    return hmac.new(key, folded.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:DIGITS]
