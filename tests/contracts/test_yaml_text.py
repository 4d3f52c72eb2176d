"""Any plain document is read back from its YAML text as it was."""

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yoyaku.contracts.yaml_text import to_yaml

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

words = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff\x85"))
keys = words | st.sampled_from(
    ["on", "null", "1", "1.0", "a: b", "#x", "- x", "~", "2026-11-23", "1e3", "0x1f", "=", "<<"]
)
scalars = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | keys
documents = st.dictionaries(
    keys,
    st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20),
)


@patient
@given(documents)
def test_a_document_is_read_back_as_it_was(document: dict[str, object]) -> None:
    assert (yaml.safe_load(to_yaml(document)) or {}) == document


def test_it_reads_well() -> None:
    assert to_yaml({"a": {"b": [{"c": 1, "d": "two words"}, []], "e": {}}, "f": "1.0"}) == (
        'a:\n  b:\n    - c: 1\n      d: two words\n    - []\n  e: {}\nf: "1.0"\n'
    )
