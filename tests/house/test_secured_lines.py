"""Nobody switches verification off: neither in the product nor in its tests."""

import re

from house.our_files import ROOT, files_of_tests, name_of, product_files

WEAKENS = re.compile(r"CERT_NONE|verify\s*=\s*False|check_hostname\s*=|_create_unverified|NO_CHECK")
# The one line that fetches a certificate whose fingerprint is known already, and the clock of an
# edge whose battery is empty.
MAY = {"telemetry/tls.py": 5}


def test_verification_is_on_everywhere() -> None:
    here = ROOT / "tests" / "house" / "test_secured_lines.py"
    found = {
        name_of(path): len(WEAKENS.findall(path.read_text(encoding="utf-8")))
        for path in [*product_files(), *files_of_tests()]
        if path != here
    }
    assert {name: count for name, count in found.items() if count} == MAY
