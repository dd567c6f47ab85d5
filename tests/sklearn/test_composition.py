"""The estimators inside scikit-learn: pipelines, searches, meta-estimators, inspection, metadata routing."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingRegressor, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from cygd import Activation
from cygd.sklearn import NetworkClassifier, NetworkRegressor

RNG = np.random.default_rng(0)
N = 240
FRAME = pd.DataFrame(
    {
        "size": RNG.normal(5, 2, N),
        "age": RNG.integers(1, 60, N),
        "color": RNG.choice(["red", "green", "blue"], N),
        "noise": RNG.normal(size=N),
    }
)
LABELS = np.where((FRAME["size"] > 5) ^ (FRAME["color"] == "red"), "yes", "no")
VALUES = FRAME["size"] * 2 + (FRAME["color"] == "blue") * 3


def columns():
    return ColumnTransformer(
        [
            ("number", StandardScaler(), ["size", "age", "noise"]),
            ("label", OneHotEncoder(sparse_output=False), ["color"]),
        ]
    )


def classifier(**options):
    return NetworkClassifier(
        **{"hidden_layer_sizes": (12,), "learning_rate_init": 0.02, "max_iter": 150, **options},
        random_state=0, tol=None,
    )  # fmt: skip


def regressor(**options):
    return NetworkRegressor(
        **{"hidden_layer_sizes": (12,), "learning_rate_init": 0.02, "max_iter": 200, **options},
        random_state=0, tol=None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def pipeline():
    return make_pipeline(columns(), classifier()).fit(FRAME, LABELS)


def test_pipeline_of_a_column_transformer(pipeline):
    assert pipeline.score(FRAME, LABELS) > 0.95
    assert pipeline.classes_.tolist() == ["no", "yes"]
    assert pipeline[-1].n_features_in_ == 6


@pytest.mark.filterwarnings("ignore:Setting:UserWarning")  # of joblib, on some machines
def test_grid_search_over_activations_in_two_processes_has_the_results_of_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # new processes would import the sources instead of the installed package
    grid = {
        "networkclassifier__activation": [
            "tanh", {"formula": "h * sigmoid(b * h)", "b": 1.0, "trainable": ["b"]},
            Activation("sine", np.sin, np.cos),
        ],
        "networkclassifier__alpha": [0.0, 0.1],
    }  # fmt: skip
    pipeline = make_pipeline(columns(), classifier(max_iter=40))
    searches = [GridSearchCV(pipeline, grid, cv=3, n_jobs=n_jobs).fit(FRAME, LABELS) for n_jobs in (1, 2)]
    one, two = (search.cv_results_["mean_test_score"] for search in searches)
    np.testing.assert_array_equal(one, two)
    assert len(set(one)) > 1
    np.testing.assert_array_equal(*(search.predict_proba(FRAME) for search in searches))


def test_cross_val_predict_and_scores(pipeline):
    proba = cross_val_predict(pipeline, FRAME, LABELS, cv=4, method="predict_proba")
    assert ((proba[:, 1] > 0.5) == (LABELS == "yes")).mean() > 0.85
    decision = cross_val_predict(pipeline, FRAME, LABELS, cv=4, method="decision_function")
    np.testing.assert_array_equal(decision > 0, proba[:, 1] > 0.5)
    scores = cross_validate(
        pipeline, FRAME, LABELS, cv=3, scoring=["roc_auc", "neg_log_loss"], return_train_score=True
    )
    assert scores["test_roc_auc"].mean() > 0.9
    assert cross_val_score(make_pipeline(columns(), regressor()), FRAME, VALUES, cv=3).mean() > 0.95


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("loss", [None, "hinge"])
def test_calibrated_classifier(method, loss):
    model = CalibratedClassifierCV(
        make_pipeline(columns(), classifier(loss=loss, max_iter=50)), method=method, cv=3
    ).fit(FRAME, LABELS)
    proba = model.predict_proba(FRAME)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert model.score(FRAME, LABELS) > 0.85


def test_permutation_importance_finds_the_columns_that_matter(pipeline):
    found = permutation_importance(pipeline, FRAME, LABELS, n_repeats=5, random_state=0)
    importance = dict(zip(FRAME, found.importances_mean, strict=True))
    assert min(importance["size"], importance["color"]) > 0.2 > 5 * abs(importance["noise"])


@pytest.mark.parametrize("kind", ["average", "individual"])
def test_partial_dependence_rises_with_the_size(kind):
    model = make_pipeline(columns(), regressor()).fit(FRAME, VALUES)
    found = partial_dependence(model, FRAME, ["size"], kind=kind, grid_resolution=10)
    curves = np.atleast_2d(found[kind][0])
    assert (np.diff(curves, axis=-1) > 0).mean() > 0.95
    probability = partial_dependence(
        make_pipeline(columns(), classifier()).fit(FRAME, LABELS), FRAME, ["size"], grid_resolution=5,
        response_method="predict_proba",
    )  # fmt: skip
    assert probability["average"].shape == (1, 5)


def test_stacking_voting_bagging_and_chains():
    X, y = load_iris(return_X_y=True)
    members = [("net", classifier(max_iter=60)), ("line", LogisticRegression())]
    stack = StackingClassifier(members, final_estimator=classifier(max_iter=60), cv=3)
    for model in (stack, VotingClassifier(members, voting="soft")):
        assert make_pipeline(StandardScaler(), model).fit(X, y).score(X, y) > 0.9
    bagged = BaggingRegressor(regressor(max_iter=30), n_estimators=3, random_state=0).fit(X, X[:, 0])
    seeds = {member.network_.seed for member in bagged.estimators_}
    assert len(seeds) == 3
    several = np.column_stack([y == 0, y == 1]).astype(int)
    for model in (MultiOutputClassifier(classifier(max_iter=30)), ClassifierChain(classifier(max_iter=30))):
        assert model.fit(X, several).predict(X).shape == (150, 2)


def test_transformed_target_and_feature_selection():
    scaled = TransformedTargetRegressor(regressor(), transformer=StandardScaler())
    X = FRAME[["size", "noise"]].to_numpy()
    assert scaled.fit(X, 100 * FRAME["size"]).score(X, 100 * FRAME["size"]) > 0.9
    chosen = SequentialFeatureSelector(regressor(max_iter=30), n_features_to_select=1, cv=2)
    assert chosen.fit(X, FRAME["size"]).get_support().tolist() == [True, False]


def test_successive_halving_and_learning_curve_with_partial_fit():
    X, y = load_iris(return_X_y=True)
    search = HalvingGridSearchCV(
        classifier(), {"learning_rate_init": [0.001, 0.01, 0.1]}, resource="max_iter", max_resources=90,
        random_state=0, cv=2,
    ).fit(X, y)  # fmt: skip
    assert search.best_score_ > 0.9
    sizes, scores, _ = learning_curve(
        classifier(), X, y, cv=3, train_sizes=[0.5, 1.0], shuffle=True, exploit_incremental_learning=True,
        random_state=0,
    )  # fmt: skip
    assert scores.shape == (len(sizes), 3)


def test_metadata_routing_passes_sample_weights():
    weight = RNG.uniform(0, 3, N)
    with sklearn.config_context(enable_metadata_routing=True):
        scaling = columns().set_params(number=StandardScaler().set_fit_request(sample_weight=False))
        routed = make_pipeline(scaling, classifier(max_iter=5).set_fit_request(sample_weight=True)).fit(
            FRAME, LABELS, sample_weight=weight
        )
        search = GridSearchCV(
            classifier(max_iter=5).set_fit_request(sample_weight=True).set_score_request(sample_weight=False),
            {"alpha": [0.0001]}, cv=2,
        ).fit(routed[0].transform(FRAME), LABELS, sample_weight=weight)  # fmt: skip
    direct = classifier(max_iter=5).fit(columns().fit_transform(FRAME), LABELS, sample_weight=weight)
    for found in (routed[-1], search.best_estimator_):
        np.testing.assert_array_equal(found.network_.parameters, direct.network_.parameters)
    with sklearn.config_context(enable_metadata_routing=True):
        requests = classifier().set_partial_fit_request(classes=True, sample_weight=True)
        found = requests.get_metadata_routing().partial_fit.requests
    assert found == {"classes": True, "sample_weight": True}


def test_pandas_output_and_html():
    pipeline = make_pipeline(columns().set_output(transform="pandas"), classifier(max_iter=3))
    pipeline.fit(FRAME, LABELS)
    assert pipeline[-1].feature_names_in_[0] == "number__size"
    assert "NetworkClassifier" in pipeline._repr_html_()
    formula = classifier(activation={"formula": "h * tanh(h)"})
    assert "activation={'formula': 'h * tanh(h)'}" in repr(formula)
