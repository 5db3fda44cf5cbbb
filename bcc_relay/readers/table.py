"""Which reader opens which kind of part. A new format is a file and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.contents.kinds import Kind
from bcc_relay.readers.archives import read_compressed, read_tar
from bcc_relay.readers.cms import read_cms
from bcc_relay.readers.iwa import read_iwa
from bcc_relay.readers.ole import read_ole
from bcc_relay.readers.pdf import read_pdf
from bcc_relay.readers.tnef import read_tnef
from bcc_relay.readers.zip import read_zip

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.contents.budget import Budget
    from bcc_relay.core.contents.found import Part
    from bcc_relay.readers.opened import Opened

READERS: dict[Kind, Callable[[Part, Budget], Opened]] = {
    Kind.TNEF: read_tnef,
    Kind.OLE: read_ole,
    Kind.ZIP: read_zip,
    Kind.PDF: read_pdf,
    Kind.TAR: read_tar,
    Kind.GZIP: read_compressed,
    Kind.BZIP2: read_compressed,
    Kind.XZ: read_compressed,
    Kind.IWA: read_iwa,
    Kind.CMS: read_cms,
}
"""Each takes a part and what is left of the budget, and raises nothing that its format can bring about."""
