"""Judges manifests as an API server would: reads YAML from standard input,
compares each document with its schema, unknown and repeated keys refused, and
prints them all as JSON. Folders of custom resource definitions are arguments;
without any, nothing is compared.
"""

import functools
import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml
from kubernetes_validate import utils

# The oldest that the chart is for, the newest, and some between.
VERSIONS = ["1.27", "1.30", "1.33", "1.37"]

# One file is read for each document otherwise.
utils.schema_contents = functools.cache(utils.schema_contents)


class Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):
    """Refuses what the API server refuses: a key that stands there twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise SystemExit(f"{key!r} stands there twice, {node.start_mark}")
        return super().construct_mapping(node, deep)


# A plain "=", which YAML 1.1 has a tag for.
Loader.add_constructor("tag:yaml.org,2002:value", Loader.construct_yaml_str)


def strict(schema):
    """A definition's schema that refuses keys which the API server would drop."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    is_open = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and not is_open:
        schema.setdefault("additionalProperties", False)
    return schema


def custom_schema(document, folders):
    """Of a custom resource, from its definition; None for Kubernetes' own."""
    group, _, version = document["apiVersion"].rpartition("/")
    # As controller-gen names the files.
    name = f"{group}_{document['kind'].lower()}s.yaml"
    for file in (pathlib.Path(folder) / name for folder in folders):
        if file.exists():
            versions = yaml.load(file.read_text(), Loader=Loader)["spec"]["versions"]
            schema = next(each["schema"] for each in versions if each["name"] == version)
            return strict(schema["openAPIV3Schema"])
    return None


def judge(document, folders):
    """What is wrong with it, if anything is."""
    schema = custom_schema(document, folders)
    try:
        if schema is not None:
            jsonschema.Draft202012Validator(schema).validate(document)
        else:
            for version in VERSIONS:
                kubernetes_validate.validate(document, version, strict=True)
    except jsonschema.ValidationError as error:
        return f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
    except utils.SchemaNotFoundError as error:
        return error.message
    return None


def main():
    documents = [each for each in yaml.load_all(sys.stdin, Loader=Loader) if each]
    folders = sys.argv[1:]
    mistakes = [
        f"{each['kind']} {each['metadata']['name']}: {mistake}"
        for each in documents
        if folders and (mistake := judge(each, folders))
    ]
    if mistakes:
        raise SystemExit("\n".join(mistakes))
    json.dump(documents, sys.stdout)


main()
