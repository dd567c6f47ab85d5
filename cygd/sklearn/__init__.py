"""Estimators for scikit-learn: networks in its pipelines, searches and meta-estimators.

Install it with ``pip install "cygd[sklearn]"``.
"""

try:
    from sklearn.utils.validation import validate_data  # noqa: F401  (since scikit-learn 1.6)
except ImportError as error:
    raise ImportError(
        f'cygd.sklearn requires scikit-learn 1.6 or later: pip install -U "cygd[sklearn]" ({error})',
        name="sklearn",
    ) from error

from cygd.sklearn.classifier import NetworkClassifier
from cygd.sklearn.regressor import NetworkRegressor

__all__ = ["NetworkClassifier", "NetworkRegressor"]
