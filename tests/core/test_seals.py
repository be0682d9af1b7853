"""Each seal depends on everything it says, on the seal before and on every entry."""

from refledger.core.seals import NOTHING, seal

FRAMES = ["5:first1;", "6:second2;"]


def test_anything_changed_makes_another_hash():
    first = seal(NOTHING, "evt_1", FRAMES, 2, 10)
    others = [
        seal(first, "evt_1", FRAMES, 2, 10),
        seal(NOTHING, "evt_2", FRAMES, 2, 10),
        seal(NOTHING, "evt_1", FRAMES[::-1], 2, 10),
        seal(NOTHING, "evt_1", FRAMES[:1], 2, 10),
        seal(NOTHING, "evt_1", FRAMES, 3, 10),
        seal(NOTHING, "evt_1", FRAMES, 2, 11),
        seal({"no": 0, "hash": "0"}, "evt_1", FRAMES, 2, 10),
    ]
    assert len({first["hash"], *(each["hash"] for each in others)}) == 1 + len(others)
    assert seal(NOTHING, "evt_1", FRAMES, 2, 10) == first
    assert (first["no"], others[0]["no"]) == (1, 2)
