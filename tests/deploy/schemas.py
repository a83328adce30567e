"""Holds rendered Kubernetes objects against Kubernetes' own description of them.

schemas.py SWAGGER.json RENDERED.yaml…: SWAGGER.json is api/openapi-spec/swagger.json of a Kubernetes
release. A field that Kubernetes does not know, or of the wrong type, is an error. Objects of other
makers (cert-manager, Prometheus) are named and left out."""
import json
import sys
import jsonschema
import yaml

LOOSE = {"io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity"}


def strict(swagger):
    kinds = {}
    for name, definition in swagger["definitions"].items():
        if name in LOOSE:
            definition.pop("format", None)
            definition["type"] = ["string", "integer", "number"]
        elif "properties" in definition:
            definition.setdefault("additionalProperties", False)
        for known in definition.get("x-kubernetes-group-version-kind", []):
            group = known["group"]
            kinds[(f"{group}/" if group else "") + known["version"], known["kind"]] = name
    return kinds


def main():
    swagger = json.load(open(sys.argv[1]))
    kinds = strict(swagger)
    wrong = count = 0
    for path in sys.argv[2:]:
        for one in yaml.safe_load_all(open(path)):
            if not one:
                continue
            name = kinds.get((one["apiVersion"], one["kind"]))
            if name is None:
                print(f"not Kubernetes' own: {one['apiVersion']} {one['kind']}")
                continue
            schema = {"$ref": f"#/definitions/{name}", "definitions": swagger["definitions"]}
            for error in jsonschema.Draft4Validator(schema).iter_errors(one):
                print(f"{one['kind']} {one['metadata']['name']}: {'/'.join(map(str, error.path))}: {error.message[:200]}")
                wrong += 1
            count += 1
    print(f"{count} objects, {wrong} errors, against Kubernetes {swagger['info']['version']}")
    sys.exit(1 if wrong else 0)


main()
