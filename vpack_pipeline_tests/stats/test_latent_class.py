from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.latent_class import dawid_skene, dawid_skene_intervals, intervals
from vpack_pipeline.stats.latent_class import model as latent
from vpack_pipeline.stats.resampling import patient_weights
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn

NAN = float("nan")


def simulated(rng, n, rates, prevalence=0.3):
    """(units, readers) of readers with (sensitivity, specificity), independent given the truth."""
    truth = rng.random(n) < prevalence
    chances = np.array([np.where(truth, se, 1 - sp) for se, sp in rates]).T
    return (rng.random(chances.shape) < chances).astype(float), truth


RATES = ((0.9, 0.95), (0.8, 0.9), (0.85, 0.92), (0.75, 0.97), (0.88, 0.9))


def anaesthesia(case):
    """Seven columns: the first observer's three readings, then the four others' one each."""
    labels = np.array(case["inputs"]["label"], dtype=float).reshape(45, 7)
    reader = np.array(case["inputs"]["rater"]).reshape(45, 7)[0] - 1
    return labels, reader


def test_anaesthesia_data_give_the_published_classes(gold):
    case = gold("dawid_skene_anesthesia")
    ratings, reader = anaesthesia(case)
    fit = dawid_skene(ratings, [1, 2, 3, 4], reader=reader)
    want, tolerance = case["expected"], case["tolerance"]
    assert fit.reason is None
    assert (fit.n, fit.n_identifying) == (45, 45)
    model = fit.model
    assert model.converged
    assert model.prevalences == pytest.approx(want["pi"], abs=tolerance)
    assert model.log_likelihood == pytest.approx(want["loglik"], abs=tolerance)
    assert model.posteriors == pytest.approx(np.array(want["posterior"]), abs=tolerance)
    assert model.confusion[0] == pytest.approx(np.array(want["error_rate_rater1"]), abs=tolerance)
    assert model.hard().tolist() == want["hard"]


@examples_drawn(15)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_neither_readers_rows_nor_categories_have_an_order(seed, random):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, 60)
    ratings = np.where(rng.random((60, 4)) < 0.75, truth[:, None], rng.integers(0, 3, (60, 4)))
    ratings = np.where(rng.random((60, 4)) < 0.1, NAN, ratings.astype(float))
    rows, readers, categories = list(range(60)), list(range(4)), [0, 1, 2]
    for order in (rows, readers, categories):
        random.shuffle(order)
    # Far from the end of a slow climb, where rounding could stop the two at different steps.
    steps = {"tolerance": 0.0, "max_iterations": 12}
    found = dawid_skene(ratings, [0, 1, 2], **steps)
    moved = dawid_skene(ratings[rows][:, readers], categories, **steps)
    assert (found.model is None) == (moved.model is None)
    if found.model is None:
        return
    a, b = found.model, moved.model
    assert b.prevalences == pytest.approx(a.prevalences[categories], abs=1e-7)
    assert b.posteriors == pytest.approx(a.posteriors[rows][:, categories], abs=1e-7, nan_ok=True)
    order = np.ix_(readers, categories, categories)
    assert b.confusion == pytest.approx(a.confusion[order], abs=1e-7, nan_ok=True)
    assert b.log_likelihood == pytest.approx(a.log_likelihood, abs=1e-7)


def test_row_order_changes_no_bit():
    ratings, _ = simulated(np.random.default_rng(1), 200, RATES)
    a = dawid_skene(ratings, [0, 1]).model
    b = dawid_skene(ratings[::-1], [0, 1]).model
    assert (a.posteriors[::-1] == b.posteriors).all()
    assert a.log_likelihood == b.log_likelihood


def test_the_likelihood_is_that_of_a_sum_over_classes_by_hand():
    ratings, _ = simulated(np.random.default_rng(4), 50, RATES[:3])
    ratings[0, 0] = NAN
    model = dawid_skene(ratings, [0, 1]).model
    total = 0.0
    for row in ratings:
        mass = model.prevalences.copy()
        for reader, said in enumerate(row):
            if not np.isnan(said):
                mass = mass * model.confusion[reader, :, int(said)]
        total += np.log(mass.sum())
    assert model.log_likelihood == pytest.approx(total, abs=1e-5)


def test_planted_rates_are_found():
    ratings, truth = simulated(np.random.default_rng(2), 20_000, RATES)
    model = dawid_skene(ratings, [0, 1]).model
    assert model.prevalences[1] == pytest.approx(truth.mean(), abs=0.01)
    for reader, (sensitivity, specificity) in enumerate(RATES):
        assert model.confusion[reader, 1, 1] == pytest.approx(sensitivity, abs=0.02)
        assert model.confusion[reader, 0, 0] == pytest.approx(specificity, abs=0.02)
    assert (model.hard() == truth).mean() > 0.97


def test_a_tie_is_undecided_and_a_unit_without_ratings_has_no_posterior():
    model = latent.LatentClasses(
        categories=np.array([0.0, 1.0]),
        prevalences=np.array([0.5, 0.5]),
        confusion=np.zeros((3, 2, 2)),
        posteriors=np.array([[0.5, 0.5], [0.2, 0.8], [NAN, NAN]]),
        log_likelihood=0.0,
        iterations=1,
        converged=True,
    )
    assert np.isnan(model.hard()).tolist() == [True, False, True]
    assert model.hard()[1] == 1.0
    ratings, _ = simulated(np.random.default_rng(3), 60, RATES[:3])
    ratings[7] = NAN
    fit = dawid_skene(ratings, [0, 1])
    assert fit.n == 59
    assert np.isnan(fit.model.posteriors[7]).all()
    assert np.isnan(fit.model.hard()[7])


def test_one_category_is_its_own_class():
    fit = dawid_skene(np.ones((5, 3)), [1])
    assert fit.model.prevalences.tolist() == [1.0]
    assert fit.model.hard().tolist() == [1.0] * 5


def test_a_category_never_given_has_no_class():
    ratings, _ = simulated(np.random.default_rng(3), 100, RATES[:3])
    model = dawid_skene(ratings, [0, 1, 2]).model
    assert model.prevalences[2] == 0
    assert np.isnan(model.confusion[:, 2]).all()
    assert not np.isnan(model.confusion[:, :2]).any()


def test_two_readers_are_refused_however_often_they_rate():
    ratings, _ = simulated(np.random.default_rng(0), 50, RATES[:4])
    fit = dawid_skene(ratings, [0, 1], reader=np.array([0, 0, 1, 1]))
    assert fit.model is None
    assert fit.reason == latent.FEW_READERS
    assert fit.n_identifying == 50
    nothing = dawid_skene(np.full((4, 3), NAN), [0, 1])
    assert (nothing.model, nothing.n, nothing.reason) == (None, 0, latent.NO_RATINGS)


def test_readers_no_better_than_chance_are_refused():
    # Three guessing readers; the second contradicts the others more often than not.
    rows = "100 _00 __1 100 10_ 0_0 101 _10 0_0 011 100 001"
    guesses = np.array([[NAN if c == "_" else float(c) for c in row] for row in rows.split()])
    fit = dawid_skene(guesses, [0, 1])
    assert (fit.model, fit.reason) == (None, latent.NOT_BETTER)
    found = dawid_skene_intervals(
        guesses, [0, 1], np.arange(12), 5, np.random.default_rng(0), minimum=2
    )
    assert found.sensitivity[0].reason == latent.NOT_BETTER


def test_classes_that_changed_places_are_seen():
    table = np.ones((2, 3, 2))
    for matrix in ([[0.5, 0.5], [0.5, 0.5]], [[0.1, 0.9], [0.8, 0.2]]):
        swapped = latent.Parameters(np.full((1, 2), 0.5), np.tile(matrix, (1, 3, 1, 1)))
        assert not latent.better_than_chance(swapped, table, np.ones((1, 2)))[0]


def test_a_reader_without_a_rating_in_a_class_says_nothing_of_it():
    """The second reader gives nine ratings in ten, and none to a unit of the second class."""
    confusion = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.85, 0.15], [0.0, 0.0]]])
    model = latent.Parameters(np.full((1, 2), 0.5), confusion[None])
    table = np.array([[[1.0, 0.0], [9.0, 0.0]]])
    assert latent.better_than_chance(model, table, np.ones((1, 1)))[0]


def test_a_model_that_has_not_settled_says_so():
    ratings, _ = simulated(np.random.default_rng(5), 200, RATES)
    fit = dawid_skene(ratings, [0, 1], max_iterations=2)
    assert not fit.model.converged
    assert fit.notes == (latent.NOT_CONVERGED,)
    assert fit.model.iterations == 2


def test_ratings_and_categories_are_checked():
    one = np.ones((2, 3))
    with pytest.raises(ValueError, match="none of the declared"):
        dawid_skene(one, [0, 2])
    with pytest.raises(ValueError, match="each once"):
        dawid_skene(one, [1, 1])
    with pytest.raises(ValueError, match="each column"):
        dawid_skene(one, [1], reader=np.array([0, 1]))
    with pytest.raises(ValueError, match="units, readers"):
        dawid_skene(np.ones(3), [1])
    with pytest.raises(ValueError, match="one patient code"):
        dawid_skene_intervals(one, [1], np.arange(3), 5, np.random.default_rng(0))


def test_a_replicate_is_the_model_of_the_resampled_units():
    ratings, _ = simulated(np.random.default_rng(6), 240, RATES[:4])
    cluster = np.repeat(np.arange(120), 2)
    found = dawid_skene_intervals(
        ratings, [0, 1], cluster, 12, np.random.default_rng(1), tolerance=1e-13
    )
    weights = next(iter(patient_weights(120, 12, np.random.default_rng(1))))
    models = [
        dawid_skene(np.repeat(ratings, w[cluster], axis=0), [0, 1], tolerance=1e-13).model
        for w in weights
    ]
    slow = [m.confusion[2, 1, 1] for m in models]
    got = found.sensitivity[2]
    assert (got.lower, got.upper) == pytest.approx(
        tuple(np.quantile(slow, [0.025, 0.975])), abs=1e-4
    )
    slow = [m.prevalences[0] for m in models]
    got = found.prevalences[0]
    assert (got.lower, got.upper) == pytest.approx(
        tuple(np.quantile(slow, [0.025, 0.975])), abs=1e-4
    )
    assert len(found.sensitivity) == len(found.specificity) == 4
    assert got.n == 240
    slow = [m.confusion[:, 0, 0].mean() for m in models]
    pooled = found.pooled[1]
    assert (pooled.lower, pooled.upper) == pytest.approx(
        tuple(np.quantile(slow, [0.025, 0.975])), abs=1e-4
    )
    assert got.lower < got.value < got.upper


def test_soft_labels_of_replicates_are_those_of_the_resampled_units():
    rng = np.random.default_rng(16)
    ratings, truth = simulated(rng, 240, RATES[:3])
    other = np.where(rng.random(240) < 0.7, np.where(rng.random(240) < 0.1, ~truth, truth), NAN)
    ratings[-1], cluster = NAN, np.repeat(np.arange(120), 2)
    found = dawid_skene_intervals(
        ratings, [0, 1], cluster, 12, np.random.default_rng(1), other=other, tolerance=1e-13
    )

    def shares(units):
        model = dawid_skene(ratings[units], [0, 1], tolerance=1e-13).model
        rated = ~np.isnan(ratings[units]).all(axis=1)
        unsure = model.posteriors[rated].max(axis=1) < 0.9
        both = ~np.isnan(model.hard()) & ~np.isnan(other[units])
        return unsure, (model.hard() != other[units])[both]

    weights = next(iter(patient_weights(120, 12, np.random.default_rng(1))))
    drawn = [shares(np.repeat(np.arange(240), w[cluster])) for w in weights]
    for i, got in enumerate((found.uncertain, found.differs)):
        itself = shares(np.arange(240))[i]
        assert (got.events, got.n) == (itself.sum(), itself.size)
        slow = np.quantile([d[i].mean() for d in drawn], [0.025, 0.975])
        assert (got.lower, got.upper) == pytest.approx(tuple(slow), abs=1e-4)
        assert got.lower < got.value < got.upper


def test_another_label_is_a_category_of_each_unit():
    ratings, _ = simulated(np.random.default_rng(17), 60, RATES[:3])
    asked = (ratings, [0, 1], np.arange(60), 5, np.random.default_rng(0))
    with pytest.raises(ValueError, match="each unit"):
        dawid_skene_intervals(*asked, other=np.zeros(59))
    with pytest.raises(ValueError, match="none of the declared"):
        dawid_skene_intervals(*asked, other=np.full(60, 0.5))
    found = dawid_skene_intervals(*asked)
    assert (found.differs.value, found.differs.reason) == (None, intervals.NO_OTHER_LABEL)
    assert found.uncertain.value is not None


def test_too_few_units_with_three_ratings_are_refused():
    ratings, _ = simulated(np.random.default_rng(7), 60, RATES[:4])
    ratings[29:, 2:] = NAN
    found = dawid_skene_intervals(ratings, [0, 1], np.arange(60), 5, np.random.default_rng(0))
    for estimate in (*found.prevalences, *found.sensitivity, *found.specificity):
        assert estimate.value is None
        assert estimate.reason == code("few_units_with_three_ratings", fewest=30)
    assert len(found.sensitivity) == 4
    assert (found.sensitivity[0].n, found.sensitivity[3].n) == (60, 29)
    two = dawid_skene_intervals(ratings[:, :2], [0, 1], np.arange(60), 5, np.random.default_rng(0))
    assert two.prevalences[0].reason == latent.FEW_READERS


def test_of_more_categories_the_prevalences_have_intervals(gold):
    ratings, reader = anaesthesia(gold("dawid_skene_anesthesia"))
    found = dawid_skene_intervals(
        ratings, [1, 2, 3, 4], np.arange(45), 20, np.random.default_rng(0), reader=reader
    )
    assert len(found.prevalences) == 4
    assert found.sensitivity == found.specificity == ()
    assert found.prevalences[0].lower < 0.4 < found.prevalences[0].upper


def test_a_reader_without_a_case_of_a_class_has_no_figure():
    ratings, _ = simulated(np.random.default_rng(8), 100, RATES[:3])
    alone = np.column_stack([ratings, np.full(100, NAN)])
    found = dawid_skene_intervals(alone, [0, 1], np.arange(100), 10, np.random.default_rng(0))
    assert found.sensitivity[3].value is None
    assert found.sensitivity[3].reason == Code("no_rating_in_class")
    assert found.sensitivity[3].n == 0


def test_where_more_than_a_few_replicates_hold_no_rating_there_is_no_interval():
    """One patient holds every rating, so that a third of the resamples are empty."""
    ratings, _ = simulated(np.random.default_rng(9), 60, RATES[:3])
    ratings = np.vstack([ratings, np.full((20, 3), NAN)])
    cluster = np.concatenate([np.zeros(60), np.arange(1, 21)])
    found = dawid_skene_intervals(ratings, [0, 1], cluster, 40, np.random.default_rng(3))
    prevalence = found.prevalences[0]
    assert prevalence.value is not None
    assert (prevalence.lower, prevalence.upper) == (None, None)
    assert prevalence.notes == (intervals.NOT_IDENTIFIED_REPLICATES,)


def test_replicates_that_lose_their_classes_leave_no_interval():
    never = intervals._estimate(0.5, np.full(4, NAN), 10, 0.95, None)
    assert (never.value, never.lower) == (0.5, None)
    assert never.notes == (intervals.NOT_IDENTIFIED_REPLICATES,)


def test_intervals_cover_planted_rates():
    """A few seeds of the nightly simulation (``benchmarks/simulations.py``)."""
    covered = []
    for seed in range(12):
        rng = np.random.default_rng([20, seed])
        ratings, _ = simulated(rng, 300, RATES)
        found = dawid_skene_intervals(ratings, [0, 1], np.arange(300), 200, rng)
        covered.append(found.prevalences[1].lower <= 0.3 <= found.prevalences[1].upper)
        for reader, (sensitivity, specificity) in enumerate(RATES):
            for estimate, planted in (
                (found.sensitivity[reader], sensitivity),
                (found.specificity[reader], specificity),
            ):
                covered.append(estimate.lower <= planted <= estimate.upper)
    # 132 intervals, correlated within a seed.
    assert 0.88 <= np.mean(covered) <= 0.99


def test_intervals_of_uncertain_units_hold_the_share_that_a_known_model_misses():
    """Of 300 units: of intervals that take the fitted model as known .63 hold it, of these .82."""
    said = np.array([[(k >> j) & 1 for j in range(3)] for k in range(8)])
    ill, well = (
        prevalence * np.prod(np.where(said, rate, 1 - rate), axis=1)
        for prevalence, rate in ((0.2, 0.9), (0.8, 0.05))
    )
    planted = (ill + well)[np.maximum(ill, well) < 0.9 * (ill + well)].sum()
    held = []
    for seed in range(40):
        rng = np.random.default_rng([21, seed])
        ratings, _ = simulated(rng, 300, ((0.9, 0.95),) * 3, prevalence=0.2)
        found = dawid_skene_intervals(ratings, [0, 1], np.arange(300), 100, rng)
        held.append(found.uncertain.lower <= planted <= found.uncertain.upper)
    assert np.mean(held) >= 0.7


def test_a_hundred_thousand_units_take_well_under_their_budget():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 100_000)
    ratings = np.where(
        rng.random((100_000, 5)) < 0.7, truth[:, None], rng.integers(0, 5, (100_000, 5))
    ).astype(float)
    start = time.process_time()
    fit = dawid_skene(ratings, [0, 1, 2, 3, 4])
    assert time.process_time() - start < 5
    assert fit.model.converged


def test_the_pooled_accuracy_weighs_each_reader_by_their_ratings():
    rng = np.random.default_rng(8)
    ratings, _ = simulated(rng, 300, RATES[:4])
    ratings[rng.random(300) < 0.6, 3] = NAN
    found = dawid_skene_intervals(ratings, [0, 1], np.arange(300), 20, np.random.default_rng(0))
    for pooled, each in zip(found.pooled, (found.sensitivity, found.specificity), strict=True):
        mean = sum(e.value * e.n for e in each) / sum(e.n for e in each)
        assert pooled.value == pytest.approx(mean)
        assert pooled.lower < pooled.value < pooled.upper
    three = dawid_skene_intervals(ratings, [0, 1, 2], np.arange(300), 5, np.random.default_rng(0))
    assert three.pooled == ()
