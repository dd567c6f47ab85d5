"""The sections of an experiment as JSON Schema, derived from their fields.

An editor that knows the schema completes keys and marks errors while the user types. The schema accepts more
than `cygd check`: cross-field checks and the data are not part of it. Draft 7, which editors support best.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cygd.config.component_spec import FORMULA_KINDS
from cygd.config.cross_checks import WITHOUT_TARGETS
from cygd.config.section import Section
from cygd.config.sections import DataSection, ExperimentSection
from cygd.config.validators import ListOf, Nullable

Schema = dict[str, Any]
Options = Mapping[str, Mapping[str, Mapping[str, Any]]]  # kind -> name -> the schema of its options

NULL: Schema = {"type": "null"}
TEXTS: Schema = {"type": ["array", "string"], "items": {"type": "string"}}
QUALIFIED_NAME = {"type": "string", "pattern": "^[^:]+:[^:]+$"}  # plugin:name

# keys next to a formula that are not its parameters
FORMULA_KEYS: dict[str, Schema] = {
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
    """Return the schema of an experiment."""
    definitions: Schema = {}
    for kind, rows in options.items():
        _define_component(kind, rows, definitions)
    top = _section(ExperimentSection, definitions)
    _define_data(options["data_source"], definitions)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "An experiment of cygd",
        **top,
        "definitions": _used(top, definitions),
    }


# -- sections ---------------------------------------------------------------------------------------


def _section(section: type[Section], definitions: Schema) -> Schema:
    """Return the schema of a section."""
    properties = {}
    for key, field in section.fields.items():
        description = re.sub(r"[`\\]", "", field.description)
        properties[key] = {"description": description, **_accepted(field.validator, definitions)}
        if field.default is not None and not field.lazy and not field.required:
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            properties[key]["default"] = default
    required = [key for key, field in section.fields.items() if field.required]
    return {
        "type": "object",
        "description": (section.__doc__ or "").partition("\n")[0],
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _accepted(validator: Any, definitions: Schema) -> Schema:
    """Return what a validator accepts, as JSON Schema."""
    if isinstance(validator, Nullable):
        return _or_null(_accepted(validator.inner, definitions))
    if isinstance(validator, ListOf):
        return {"type": ["array", "null"], "items": _accepted(validator.item, definitions)}
    if isinstance(validator, type):
        return _reference(validator, definitions)
    return dict(validator.json_schema)


def _reference(section: type[Section], definitions: Schema) -> Schema:
    """Define a section once, and return a reference to it, its shorthand and null included."""
    name = section.__name__
    if name not in definitions:
        definitions[name] = _section(section, definitions)
    forms = [{"$ref": f"#/definitions/{name}"}]
    if section.shorthand_key:
        forms.append({"$ref": f"#/definitions/{name}/properties/{section.shorthand_key}"})
    if isinstance(section.from_shorthand(None), Mapping):
        forms.append(NULL)
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _or_null(schema: Schema) -> Schema:
    if "anyOf" in schema:
        forms = schema["anyOf"]
        return schema if NULL in forms else {**schema, "anyOf": [*forms, NULL]}
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return schema if "null" in schema.get("type", ()) else {"anyOf": [schema, NULL]}


# -- components -------------------------------------------------------------------------------------


def _define_component(kind: str, rows: Mapping[str, Mapping[str, Any]], definitions: Schema) -> None:
    """Define a kind of component: its names, and its names with their options."""
    name, options = f"{kind}_name", f"{kind}_options"
    definitions[kind] = {"anyOf": [{"$ref": f"#/definitions/{key}"} for key in (name, options)]}
    definitions[name] = {"anyOf": [{"enum": list(rows)}, QUALIFIED_NAME]}
    definitions[options] = {
        "type": "object",
        "properties": {"name": {"$ref": f"#/definitions/{name}"}},
        "required": ["name"],
        "allOf": [
            _if_equal("name", row, {**schema, "properties": {"name": {}, **schema["properties"]}})
            for row, schema in rows.items()
        ],
    }
    for row, schema in rows.items():
        definitions[f"{kind}_{row}_options"] = schema
    if kind in FORMULA_KINDS:
        definitions[kind]["anyOf"].append({"$ref": f"#/definitions/{kind}_formula"})
        definitions[f"{kind}_formula"] = {
            "type": "object",
            "description": "a formula and its parameters",
            "properties": FORMULA_KEYS[kind],
            "required": ["formula"],
            "additionalProperties": {"type": ["number", "boolean"]},
        }


def _define_data(rows: Mapping[str, Mapping[str, Any]], definitions: Schema) -> None:
    """Add the options of its source to the data section; they take precedence over keys of the same name."""
    section = definitions[DataSection.__name__]
    own = {**section["properties"], "source": {"$ref": "#/definitions/data_source_name"}}
    definitions["data_keys"] = {"properties": own}
    common = {key: {"$ref": f"#/definitions/data_keys/properties/{key}"} for key in own if key != "source"}
    branches = []
    for name, schema in rows.items():
        part = _or_null({**schema, "minProperties": 1})
        part.pop("required", None)
        keys = {**common, **schema["properties"], "source": {}, "validation": part, "test": part}
        required = [*schema.get("required", ()), *(["targets"] if name in WITHOUT_TARGETS else [])]
        branch = {**schema, "properties": keys, **({"required": required} if required else {})}
        branches.append(_if_equal("source", name, branch))
    definitions[DataSection.__name__] = {
        "type": "object",
        "description": section["description"],
        "properties": {"source": own["source"]},
        "required": section["required"],
        "allOf": branches,
    }


def _if_equal(key: str, value: str, then: Schema) -> Schema:
    """Return a schema that applies if a key has a value."""
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": then}


def _used(top: Schema, definitions: Schema) -> Schema:
    """Return the definitions that something refers to, sorted by name."""
    used: set[str] = set()
    waiting = [top]
    while waiting:
        schema: Any = waiting.pop()
        if isinstance(schema, list):
            waiting += schema
        elif isinstance(schema, Mapping):
            name = str(schema.get("$ref", "")).removeprefix("#/definitions/").partition("/")[0]
            if name and name not in used:
                used.add(name)
                waiting.append(definitions[name])
            waiting += schema.values()
    return {name: definitions[name] for name in sorted(used)}
