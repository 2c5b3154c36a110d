"""`surprise_knn` on the toy shop, worked out by hand, and the contract."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from plugins.surprise.rating_tables import as_events
from pydantic import ValidationError

from automation.errors import BadArtifact, NotEnoughData
from automation.testing.recommender import check_recommender
from automation.testing.toy_shop import TOY_AS_OF, toy_customers, toy_events, toy_products, toy_snapshot
from automation_surprise.options import SurpriseKnnOptions
from automation_surprise.ratings import rate_history, read_ratings
from automation_surprise.recommender import SurpriseKnn

HISTORY = ["customer_id", "product_id", "type", "occurred_at", "amount"]
NOTHING = pl.DataFrame(schema={"customer_id": pl.String, "product_id": pl.String})


def fitted(events: pl.DataFrame | None = None, **options: Any) -> SurpriseKnn:
    model = SurpriseKnn(SurpriseKnnOptions.model_validate(options))
    model.fit(toy_snapshot(events=events), seed=1, parts={})
    return model


def ask(model: SurpriseKnn, history: pl.DataFrame | None = None, **changed: Any) -> pl.DataFrame:
    events = toy_events().filter(pl.col("occurred_at") < TOY_AS_OF) if history is None else history
    asked: dict[str, Any] = {
        "allowed": toy_products()["product_id"],
        "blocked": events.select(NOTHING.columns).unique(),
        "k": 3,
    }
    return model.recommend(toy_customers()["customer_id"], events.select(HISTORY), **(asked | changed))


def what(customer: str, answer: pl.DataFrame) -> list[tuple[str, str, list[str]]]:
    rows = answer.filter(customer_id=customer).sort(-pl.col("score"), "product_id")
    return list(rows.select("product_id", "reason", "because").iter_rows())


@pytest.mark.parametrize("based_on", ["items", "users"])
@pytest.mark.parametrize("rank_by", ["similarity", "rating"])
@pytest.mark.parametrize("similarity", ["pearson_baseline", "msd", "co_occurrence"])
def test_keeps_the_contract(based_on: Any, rank_by: Any, similarity: Any) -> None:
    options = SurpriseKnnOptions(based_on=based_on, rank_by=rank_by, similarity=similarity, neighbours=3)
    check_recommender(lambda: SurpriseKnn(options))


class TestRatings:
    def test_doubling_the_points_adds_one(self) -> None:
        """Without the ratings: 1 + log2(points), to the half. Ana bought p1 twice: 10 points, 4.32, so 4.5."""
        events = toy_events().filter(pl.col("type") != "rating")
        ratings = read_ratings(toy_snapshot(events=events), SurpriseKnnOptions())
        table = pl.DataFrame(ratings.matrix.toarray(), schema=ratings.products.to_list())
        assert ratings.customers.to_list() == ["c1", "c2", "c3", "c4", "c5", "c6", "c7"]
        assert table.rows() == [
            (4.5, 3.5, 0.0, 0.0, 3.5, 1.0),
            (3.5, 3.5, 0.0, 0.0, 0.0, 2.5),  # in the cart: 3 points, 2.58
            (0.0, 0.0, 5.0, 3.5, 3.5, 0.0),  # three times: 15 points, 4.91
            (0.0, 0.0, 3.5, 3.5, 0.0, 0.0),
            (3.5, 0.0, 0.0, 0.0, 0.0, 0.0),
            (1.0, 0.0, 2.0, 0.0, 0.0, 0.0),
            (0.0, 3.5, 0.0, 0.0, 3.5, 0.0),
        ]

    def test_an_explicit_rating_replaces_the_derived_one(self) -> None:
        ratings = read_ratings(toy_snapshot(), SurpriseKnnOptions())
        assert ratings.matrix.toarray()[0].tolist() == [5.0, 4.0, 0.0, 0.0, 3.0, 1.0]

    def test_explicit_uses_only_rating_events(self) -> None:
        ratings = read_ratings(toy_snapshot(), SurpriseKnnOptions(ratings="explicit"))
        assert ratings.customers.to_list() == ["c1", "c2", "c3", "c4", "c7"]
        assert ratings.matrix.nnz == 12

    def test_the_latest_rating_counts_and_stays_within_the_scale(self) -> None:
        first = as_events({("c1", "p1"): 2.0, ("c1", "p2"): 2.0, ("c2", "p2"): 9.0})
        later = as_events({("c1", "p1"): 4.0}).with_columns(occurred_at=datetime(2026, 1, 2, tzinfo=UTC))
        later = later.cast({"occurred_at": pl.Datetime("us", "UTC")})
        for events in (pl.concat([first, later]), pl.concat([later, first])):
            ratings = read_ratings(toy_snapshot(events=events), SurpriseKnnOptions())
            assert ratings.matrix.toarray().tolist() == [[4.0, 2.0], [0.0, 5.0]]

    def test_a_return_subtracts_points(self) -> None:
        returned = toy_events().head(1).with_columns(type=pl.lit("return"), event_id=pl.lit("r1"))
        options = SurpriseKnnOptions(weights={"purchase": 5.0, "return": -5.0})
        ratings = read_ratings(toy_snapshot(events=pl.concat([toy_events(), returned])), options)
        assert "c5" not in ratings.customers

    @pytest.mark.parametrize("options", [{}, {"ratings": "explicit"}, {"in_the_last": "30d"}, {"weights": {"view": 2}}])
    def test_a_batch_has_the_same_ratings_as_the_shop(self, options: dict[str, Any]) -> None:
        """The same rule in Polars and in the warehouse."""
        asked, snapshot = SurpriseKnnOptions.model_validate(options), toy_snapshot()
        batch = rate_history(snapshot.events.to_polars().select(HISTORY), TOY_AS_OF, asked)
        shop = read_ratings(snapshot, asked)
        rows, columns = shop.matrix.nonzero()
        assert batch["rating"].to_list() == shop.matrix.data.tolist()
        assert batch["kind"].to_list() == shop.kinds.tolist()
        assert batch["customer_id"].to_list() == shop.customers.gather(rows).to_list()
        assert batch["product_id"].to_list() == shop.products.gather(columns).to_list()


class TestRecommendations:
    """Co-occurrence: Eve has only p1, which Ana, Ben, Eve and Finn have; p2 has Ana, Ben and Gul, p6 Ana and Ben."""

    def test_the_sum_of_similarities_by_hand(self) -> None:
        answer = ask(fitted(similarity="co_occurrence"), k=2)
        eve = answer.filter(customer_id="c5").sort(-pl.col("score"))
        assert eve["product_id"].to_list() == ["p6", "p2"]
        assert eve["score"].to_list() == pytest.approx([2 / 8**0.5, 2 / 12**0.5], abs=1e-12)

    def test_only_the_nearest_neighbours_of_a_product_count(self) -> None:
        """p6 is nearest to p2 (2/√6), so with one neighbour p1 does not count."""
        answer = ask(fitted(similarity="co_occurrence", neighbours=1))
        assert "p6" not in answer.filter(customer_id="c5")["product_id"]
        assert answer.filter(customer_id="c7", product_id="p6")["score"].item() == pytest.approx(2 / 6**0.5, abs=1e-12)

    def test_reasons_depend_on_what_the_customer_did(self) -> None:
        answer = ask(fitted(similarity="co_occurrence"))
        assert what("c1", answer)[0] == ("p3", "because_you_bought", ["p5", "p1"])
        assert what("c6", answer)[0] == ("p4", "because_you_looked_at", ["p3"])
        rated = ask(fitted(similarity="co_occurrence", ratings="explicit"))
        assert what("c7", rated)[0] == ("p1", "because_you_rated", ["p2", "p5"])

    def test_because_lists_only_products_with_the_same_reason(self) -> None:
        """Ana looked at p6 and bought p1; only products with the strongest one's reason are listed."""
        history = toy_events().filter(pl.col("event_id").is_in(["e02", "e06"]))
        answer = ask(fitted(similarity="co_occurrence"), history)
        assert what("c1", answer)[0] == ("p2", "because_you_looked_at", ["p6"])

    def test_based_on_items_uses_the_history_of_the_batch(self) -> None:
        model = fitted(similarity="co_occurrence")
        today = pl.DataFrame(
            [("c8", "p3", "view", TOY_AS_OF, None)],
            schema=pl.Schema(toy_events().select(HISTORY).schema),
            orient="row",
        )
        answer = ask(model, today)
        assert answer["customer_id"].unique().to_list() == ["c8"]
        assert what("c8", answer)[0] == ("p4", "because_you_looked_at", ["p3"])

    def test_based_on_users_uses_the_customers_of_training(self) -> None:
        """Dev's p3 and p4 are Chloe's too, and she is the only one like him who has p5."""
        answer = ask(fitted(based_on="users", similarity="co_occurrence", neighbours=1))
        assert what("c4", answer) == [("p5", "liked_by_similar_customers", ["p3", "p4"])]
        assert ask(fitted(based_on="users"), toy_events().clear(), blocked=NOTHING).height > 0
        assert "c8" not in answer["customer_id"]

    def test_a_model_based_on_items_contains_no_customer_data(self) -> None:
        saved = b"".join(array.tobytes() for array in fitted().save().values())
        assert not any(customer.encode() in saved for customer in toy_customers()["customer_id"])

    def test_every_reason_has_a_text_in_four_languages(self) -> None:
        assert SurpriseKnn.reasons["en"] == {
            "because_you_bought": "because you bought {products}",
            "because_you_rated": "because you rated {products}",
            "because_you_looked_at": "because you looked at {products}",
            "liked_by_similar_customers": "because customers with a taste like yours chose it",
        }
        named = {code: "{products}" in text for code, text in SurpriseKnn.reasons["en"].items()}
        for language in ("de", "es", "fr"):
            texts = SurpriseKnn.reasons[language]
            assert {code: "{products}" in text for code, text in texts.items()} == named


class TestFit:
    def test_the_metrics_of_training(self) -> None:
        model = SurpriseKnn(SurpriseKnnOptions())
        metrics = model.fit(toy_snapshot(), seed=1, parts={})
        assert {name: metrics[name] for name in ("customers", "products", "ratings", "rating_signal")} == {
            "customers": 7.0,
            "products": 6.0,
            "ratings": 17.0,
            "rating_signal": 1.0,
        }
        assert metrics["memory_mb"] == pytest.approx((5 * 8 * 6**2 + 280 * 17) / 1e6)

    def test_single_purchases_still_give_recommendations(self) -> None:
        once = toy_events().filter(pl.col("type") == "purchase").unique(["customer_id", "product_id"])
        model = SurpriseKnn(SurpriseKnnOptions(rank_by="rating"))
        assert model.fit(toy_snapshot(events=once), seed=1, parts={})["rating_signal"] == 0.0
        answer = ask(model, once.filter(pl.col("occurred_at") < TOY_AS_OF))
        assert what("c4", answer) == [("p5", "because_you_bought", ["p3", "p4"])]
        assert what("c5", answer)[0] == ("p2", "because_you_bought", ["p1"])

    def test_in_the_last_ignores_old_events(self) -> None:
        model = fitted(in_the_last="100d", similarity="co_occurrence")
        assert "c5" not in ask(model)["customer_id"]

    def test_no_events_are_not_enough_data(self) -> None:
        with pytest.raises(NotEnoughData, match="has 0 and 0"):
            fitted(toy_events().clear())


class TestArtifact:
    @pytest.mark.parametrize("based_on", ["items", "users"])
    @pytest.mark.parametrize(
        ("name", "change", "message"),
        [
            ("x_levels", lambda array: array[:-1], "'x_levels' must have"),
            (
                "x_levels",
                lambda array: array.astype(np.float32),
                "must be float64 with 1 dimension, is float32 with 1",
            ),
            ("neighbours_indptr", lambda array: array[None], "must be int64 with 1 dimension, is int64 with 2"),
            ("neighbours_indices", lambda array: array + 100, "neighbours is not a matrix of"),
            ("products", lambda array: array[:-1], "'products' can't be read"),
            ("head", lambda array: np.frombuffer(b"[]", np.uint8), "'head' must be a dict"),
        ],
    )
    def test_invalid_arrays_are_refused(self, based_on: str, name: str, change: Any, message: str) -> None:
        arrays = dict(fitted(based_on=based_on).save())
        arrays[name] = change(arrays[name])
        with pytest.raises(BadArtifact) as refused:
            SurpriseKnn(SurpriseKnnOptions.model_validate({"based_on": based_on})).load(arrays, parts={})
        assert message in str(refused.value)

    def test_other_options_are_refused(self) -> None:
        with pytest.raises(BadArtifact) as refused:
            SurpriseKnn(SurpriseKnnOptions(rank_by="rating")).load(fitted().save(), parts={})
        assert str(refused.value) == (
            "surprise_knn: trained with rank_by 'similarity', but the option is 'rating'; train it again"
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": [5, 1]}, "scale must be [low, high], such as [1, 5]; [5.0, 1.0] is not"),
        ({"weights": {"rating": 1}}, "rating events have no weight; remove rating from weights"),
        (
            {"similarity": "jaccard"},
            "Input should be 'cosine', 'msd', 'pearson', 'pearson_baseline' or 'co_occurrence'",
        ),
        ({"neighbors": 10}, "Extra inputs are not permitted"),
        ({"memory_limit": "much"}, "could not parse value and unit from byte string"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SurpriseKnnOptions.model_validate(options)
    assert message in str(refused.value)


def test_options_in_yaml_notation() -> None:
    options = SurpriseKnnOptions.model_validate({"memory_limit": "500 MB", "in_the_last": "365d"})
    assert (options.memory_limit, options.in_the_last) == (500_000_000, timedelta(days=365))
