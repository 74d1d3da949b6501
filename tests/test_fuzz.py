"""A sample of damaged and hostile files for every reader; `make fuzz` reads ten thousand."""
from fuzz import READERS, fuzz

def test_a_damaged_file_is_a_line_and_no_more():
    counts, faults = fuzz(inputs=300, seed=1, seconds=120.)
    assert not faults, faults[:3]
    assert {name for name, _ in counts} == set(READERS) and sum(counts.values()) == 300
