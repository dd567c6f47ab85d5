"""What the classifier and the regressor share: parameters, fitting, fitted attributes.

The modules that need the rest of cygd are imported where they are used, so that `import cygd.sklearn` costs
little more than the import of scikit-learn.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from cygd.sklearn.base import EncodedTargets, EstimatorBase

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]


class NetworkEstimator(EstimatorBase):
    """Fitting, prediction and conversion, which both estimators share."""

    # fitting --------------------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train a network, or with `warm_start` continue to train that of the last fit.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : array of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array of shape (n_samples,), optional
            Factors on the loss of each row.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter or the data are invalid, or the training diverges.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, *, incremental: bool, classes: Array | None = None
    ) -> Self:
        from cygd.sklearn import parameters, training  # imported here: see the head of the module

        parameters.check_parameters(self)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        continues = hasattr(self, "network_") and (incremental or self.warm_start)
        if getattr(self, "preprocessing_", None) is not None:
            if continues:
                raise ValueError(
                    "the estimator of a run predicts from the run's columns and cannot continue to train; "
                    "fit a clone, or resume the run: cygd run --resume"
                )
            del self.preprocessing_
        dtype = self.network_.dtype if continues else self.dtype or [np.float64, np.float32]
        checks = {"dtype": dtype, "order": "C", "multi_output": True, **self._y_checks()}
        with np.errstate(over="ignore"):  # what does not fit into float32 is infinite, and refused
            X, y = validate_data(self, X, y, reset=not continues, **checks)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
            if not sample_weight.any():
                raise ValueError("sample_weight: expected a weight above 0, all of them are zero")
        targets = self._encode(y, X.dtype, continues=continues, classes=classes)
        training.fit(self, X, targets, sample_weight, continues=continues, incremental=incremental)
        return self

    def _y_checks(self) -> dict[str, Any]:
        """Return the options with which `validate_data` checks y."""
        return {}

    def _encode(
        self, y: Array, dtype: np.dtype[Any], *, continues: bool, classes: Array | None
    ) -> EncodedTargets:
        """Return the targets as the network learns them; `classes` are those that y need not all have."""
        raise NotImplementedError

    # prediction -----------------------------------------------------------------------------------

    def _inputs(self, X: Any) -> tuple[Array, np.dtype[Any]]:
        """Return the rows that the network takes, and the dtype of the predictions.

        It is that of X or of the network, whichever is larger: a network in float32 that is given float64
        returns float64.
        """
        check_is_fitted(self)
        dtype = self.network_.dtype
        preprocessing = getattr(self, "preprocessing_", None)
        if preprocessing is not None:
            return np.asarray(preprocessing.transform_inputs(X, dtype)), dtype
        x = validate_data(self, X, reset=False, dtype=[np.float64, np.float32], order="C")
        return cast_finite("X", x, dtype), np.result_type(x.dtype, dtype)

    def _outputs(self, X: Any) -> Array:
        """Return the outputs of the network, (n_samples, n_outputs)."""
        from cygd.sklearn.threads import count_threads

        x, dtype = self._inputs(X)
        y_hat = self.network_.predict(x, threads=count_threads(self.n_jobs))
        return y_hat.astype(dtype, copy=False)

    # fitted attributes ------------------------------------------------------------------------------

    @property
    def coefs_(self) -> list[Array]:
        """The weights of each layer, (n_inputs, n_outputs): views of the parameters of `network_`."""
        check_is_fitted(self)
        return list(self.network_.weights)

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of each layer, views likewise; zeros for a layer without biases."""
        check_is_fitted(self)
        biases = zip(self.network_.biases, self.network_.layers, strict=True)
        return [np.zeros(layer.units, self.network_.dtype) if b is None else b for b, layer in biases]

    # experiments and runs ---------------------------------------------------------------------------

    @classmethod
    def from_run(cls, folder: str | os.PathLike[str], *, plugins: bool = True) -> Self:
        """Return the fitted estimator of a run, which takes the raw columns of the run.

        Parameters
        ----------
        folder : path
            A folder that `cygd run` or `cygd.run` has written.
        plugins : bool
            Whether the plugins of the run may be executed.

        Returns
        -------
        estimator
            It predicts what ``cygd.load(folder)`` predicts, from data frames and mappings by the names of
            the columns, or from arrays in the order of `feature_names_in_`. Its parameters are those of the
            experiment; a clone is fitted without the run's preprocessing.

        Raises
        ------
        CheckpointError
            If a file is missing or damaged.
        ValueError
            If the run predicts something else: classes instead of numbers, or numbers instead of classes.
        """
        from cygd.sklearn.runs import estimator_of_run

        return estimator_of_run(cls, folder, plugins=plugins)

    def to_experiment(self, data: Mapping[str, object] | None = None, *, name: str | None = None) -> str:
        """Return the YAML of an experiment that trains this network.

        Parameters
        ----------
        data : mapping, optional
            The section `data`. By default it names a file data.csv with the features of the last fit and
            the target y, for you to change.
        name : str, optional
            Of the experiment.

        Returns
        -------
        str
            An experiment with the same layers, loss, optimizer and batches. ``tol`` becomes early stopping on
            the measured loss; with ``tol=None``, `fit` on the same rows gives the same bits.

        Raises
        ------
        ValueError
            If a component is neither built in nor a formula, nor from a plugin file.
        """
        from cygd.sklearn.experiment import experiment_of

        return experiment_of(self, data, name)


def cast_finite(name: str, array: Array, dtype: np.dtype[Any]) -> Array:
    """Return an array of finite numbers as C-contiguous one of another dtype, or raise a ValueError."""
    with np.errstate(over="ignore"):
        cast = np.require(array, dtype, "C")
    if cast.dtype != array.dtype and not np.isfinite(cast).all():
        raise ValueError(f"{name} contains a value too large for dtype({dtype.name!r})")
    return cast
