"""The sections of an experiment as JSON Schema, from the annotations that the reader goes by.

An editor that knows the schema completes keys and marks what is wrong while it is written. It says less than
`cygd check`: what concerns several places, or the data, is left to that. Draft 7, which editors know best.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from cygd.config.component_spec import WITH_FORMULAS
from cygd.config.cross_checks import WITHOUT_TARGETS
from cygd.config.descriptions import MEANINGS
from cygd.config.section import Section
from cygd.config.sections import DataSection, ExperimentSection
from cygd.config.validators import Exactly, First, allowed_by

__all__ = ["Options", "experiment_schema"]

Schema = dict[str, Any]
Options = Mapping[str, Mapping[str, Mapping[str, Any]]]  # kind -> name -> the schema of its options

NULL: Schema = {"type": "null"}
TEXTS: Schema = {"type": ["array", "string"], "items": {"type": "string"}}
ANYONES = {"type": "string", "pattern": "^[^:]+:[^:]+$"}  # plugin:name

# what stands beside a formula and is no parameter of it
BESIDE: dict[str, Schema] = {
    "activation": {"formula": {"type": "string"}, "trainable": TEXTS},
    "loss": {
        "formula": {"type": "string"},
        "reduction": {"enum": ["sum", "mean"]},
        "targets": {"enum": ["any", "unit", "nonnegative", "signs"]},
    },
    "optimizer": {
        "formula": {"type": ["object", "string"], "additionalProperties": {"type": "string"}},
        "state": TEXTS,
        "learning_rate": {"type": "number", "minimum": 0},
    },
}


def experiment_schema(options: Options) -> Schema:
    """Return the schema of an experiment.

    Parameters
    ----------
    options : mapping
        For each kind of component the names of all there are, each with the schema of its options.
    """
    definitions: Schema = {}
    for kind, rows in options.items():
        _define(kind, rows, definitions)
    top = _section(ExperimentSection, definitions)
    _define_data(options["data_source"], definitions)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "An experiment of cygd",
        **top,
        "definitions": _used(top, definitions),
    }


# -- annotations ------------------------------------------------------------------------------------


def _section(section: type[Section], definitions: Schema, at: str = "") -> Schema:
    """Return the schema of a mapping with known keys, which stands at a path."""
    properties = {}
    for key in section.key_names():
        field = section.fields()[key]
        properties[key] = _type(field.annotation, definitions, at + key)
        if properties[key] and at + key in MEANINGS:
            properties[key] = {"description": MEANINGS[at + key], **properties[key]}
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        if default is not None and key not in section.unread and key not in section.required:
            properties[key] = {**properties[key], "default": default}
    schema: Schema = {"type": "object"}
    if section.__doc__:
        schema["description"] = section.__doc__.strip().splitlines()[0]
    schema["properties"] = properties
    if section.required:
        schema["required"] = list(section.required)
    schema["additionalProperties"] = False
    return schema


def _referred(section: type[Section], definitions: Schema, at: str) -> Schema:
    """Define a section once, and return what refers to it, its short form and null included."""
    name = section.__name__
    if name not in definitions:
        definitions[name] = {}  # begun
        definitions[name] = _section(section, definitions, f"{at}.")
    forms = [{"$ref": f"#/definitions/{name}"}]
    if section.short:
        forms.append({"$ref": f"#/definitions/{name}/properties/{section.short}"})
    if isinstance(section.unfold(None), Mapping):
        forms.append(NULL)
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _type(annotation: Any, definitions: Schema, at: str) -> Schema:
    """Return what may be written for a type; {} where a check does not say."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return _referred(annotation, definitions, at)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        check = inner[1]
        if isinstance(check, Exactly):
            return allowed_by(check.check)
        assert isinstance(check, First)
        return {**_type(inner[0], definitions, at), **allowed_by(check.check)}
    if origin in (Union, types.UnionType) and inner[1] is type(None):
        return _or_null(_type(inner[0], definitions, at))
    if origin is tuple and inner[1:] == (...,):
        return {"type": "array", "items": _type(inner[0], definitions, f"{at}[]")}
    if origin in (dict, Mapping) or annotation in (dict, Mapping):
        return {"type": "object"}
    return {}


def _or_null(schema: Schema) -> Schema:
    if not schema:
        return schema
    if "anyOf" in schema:
        forms = schema["anyOf"]
        return schema if NULL in forms else {**schema, "anyOf": [*forms, NULL]}
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return schema if "null" in schema.get("type", ()) else {"anyOf": [schema, NULL]}


# -- components -------------------------------------------------------------------------------------


def _define(kind: str, rows: Mapping[str, Mapping[str, Any]], definitions: Schema) -> None:
    """Define a kind of component: its names, and its names with their options."""
    name, options = f"{kind}_name", f"{kind}_options"
    definitions[kind] = {"anyOf": [{"$ref": f"#/definitions/{key}"} for key in (name, options)]}
    definitions[name] = {"anyOf": [{"enum": list(rows)}, ANYONES]}
    with_name = {"name": {"$ref": f"#/definitions/{name}"}}
    definitions[options] = {
        "type": "object",
        "properties": with_name,
        "required": ["name"],
        "allOf": [_chosen("name", row, _with(schema, {"name": {}})) for row, schema in rows.items()],
    }
    for row, schema in rows.items():
        definitions[f"{kind}_{row}_options"] = schema
    if kind in WITH_FORMULAS:
        definitions[kind]["anyOf"].append({"$ref": f"#/definitions/{kind}_formula"})
        definitions[f"{kind}_formula"] = {
            "type": "object",
            "description": "a formula and its parameters",
            "properties": BESIDE[kind],
            "required": ["formula"],
            "additionalProperties": {"type": ["number", "boolean"]},
        }


def _define_data(rows: Mapping[str, Mapping[str, Any]], definitions: Schema) -> None:
    """Let the keys of the data section be those of its source, too, which go before keys of the same name."""
    section = definitions[DataSection.__name__]
    own = {**section["properties"], "source": {"$ref": "#/definitions/data_source_name"}}
    definitions["data_keys"] = {"properties": own}
    common = {key: {"$ref": f"#/definitions/data_keys/properties/{key}"} for key in own if key != "source"}
    branches = []
    for name, schema in rows.items():
        part = _or_null({**schema, "minProperties": 1})
        part.pop("required", None)
        keys = {**common, **schema["properties"], "source": {}, "validation": part, "test": part}
        needs = [*schema.get("required", ()), *(["targets"] if name in WITHOUT_TARGETS else [])]
        branches.append(
            _chosen("source", name, {**schema, "properties": keys, **({"required": needs} if needs else {})})
        )
    definitions[DataSection.__name__] = {
        "type": "object",
        "description": section["description"],
        "properties": {"source": own["source"]},
        "required": section["required"],
        "allOf": branches,
    }


def _chosen(key: str, name: str, then: Schema) -> Schema:
    """Return what holds where a key has a value."""
    return {"if": {"properties": {key: {"const": name}}, "required": [key]}, "then": then}


def _with(schema: Mapping[str, Any], more: Schema) -> Schema:
    """Return the schema of a mapping with further keys."""
    return {**schema, "properties": {**more, **schema["properties"]}}


def _used(top: Schema, definitions: Schema) -> Schema:
    """Return the definitions that something refers to, in order of their names."""
    found: set[str] = set()
    waiting = [top]
    while waiting:
        schema: Any = waiting.pop()
        if isinstance(schema, list):
            waiting += schema
        elif isinstance(schema, Mapping):
            name = str(schema.get("$ref", "")).removeprefix("#/definitions/").partition("/")[0]
            if name and name not in found:
                found.add(name)
                waiting.append(definitions[name])
            waiting += schema.values()
    return {name: definitions[name] for name in sorted(found)}
