"""Holds how a long trial takes a part and says what it left out."""

from tests.trials.sample import Sample


def test_a_sample_is_the_same_again_for_its_seed_and_says_what_it_left_out() -> None:
    sample, again = (Sample.of({"SEED": "7"}) for _ in range(2))
    drawn = sample.draw("races", range(1_000), 10)
    assert drawn == again.draw("races", range(1_000), 10) == sorted(set(drawn))
    assert len(drawn) == 10
    assert drawn != Sample.of({"SEED": "8"}).draw("races", range(1_000), 10)
    assert sample.left_out == ["Left out 990 of 1,000 races."]


def test_nothing_is_left_out_of_everything_nor_of_what_is_few() -> None:
    everything, few = Sample.of({"FULL": "1"}), Sample.of({"FULL": "0"})
    assert everything.times("races", 10_000, 10) == 10_000
    assert few.draw("races", "abc", 3) == ["a", "b", "c"]
    assert everything.left_out == few.left_out == []


def test_without_a_seed_each_sample_is_another() -> None:
    assert len({Sample.of({}).seed for _ in range(5)}) > 1
