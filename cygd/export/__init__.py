"""Trained models as files for other programs: ONNX, C, and plain arrays of weights."""

from cygd.export.formats import FORMATS, ExportFormat, export_files, export_model, find_format
from cygd.export.protocols import TrainedModel

__all__ = ["FORMATS", "ExportFormat", "TrainedModel", "export_files", "export_model", "find_format"]
