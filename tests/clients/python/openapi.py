"""Checks the OpenAPI document of a server, and what the server answers against it.

Prints what does not hold.
"""

import json
import os

import requests
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

URL, TOKEN = os.environ["URL"], os.environ["TOKEN"]
SAMPLES = json.loads(os.environ["SAMPLES"])

document = requests.get(f"{URL}/api/v1/openapi.json", timeout=30).json()
wrong = [f"document: {error.message}" for error in OpenAPIV31SpecValidator(document).iter_errors()]
# Where a path does not lead to a handler, the server says so in these words.
NOWHERE = {"not_found", "method_not_allowed"}
# What has no end, and what asks for a secret of its own.
STREAMS = {"/api/v1/tail", "/api/v1/embed"}


def check(what, schema, value):
    schema = {**schema, "components": document["components"]}
    for error in Draft202012Validator(schema).iter_errors(value):
        wrong.append(f"{what}: {error.json_path}: {error.message}")


def json_schema(response):
    return response.get("content", {}).get("application/json", {}).get("schema")


operations = 0
for path, item in document["paths"].items():
    for parameter in item.get("parameters", []):
        choice = parameter["schema"].get("enum", [parameter["name"]])[0]
        item["x-filled"] = item.get("x-filled", path).replace("{%s}" % parameter["name"], choice)
    for method in ("get", "post", "put", "delete"):
        if method not in item:
            continue
        operations += 1
        what = f"{method} {path}"
        responses = item[method]["responses"]
        # Without a name and without a body: refused, but by whoever answers this path.
        answer = requests.request(method, URL + item.get("x-filled", path), timeout=30)
        known = item[method]["security"] == []
        if answer.headers.get("content-type", "").startswith("application/json"):
            if answer.status_code >= 400:
                check(f"{what} ({answer.status_code})", json_schema(responses["default"]), answer.json())
        if item["x-weir-cors"]:
            # What the collector does not know, the other routes answer, in their own words.
            if answer.status_code == 404 and "nothing at" in answer.text:
                wrong.append(f"{what}: there is no such route")
        elif not known and path != "/metrics" and answer.status_code != 401:
            wrong.append(f"{what}: answered {answer.status_code} to a stranger")
        elif answer.status_code == 405 or (answer.status_code == 404 and "nothing at" in answer.text):
            wrong.append(f"{what}: there is no such route")
        elif answer.status_code == 401 and known:
            wrong.append(f"{what}: is not for everybody")
        # With one, as far as nothing has to be made up.
        if item["x-weir-cors"] or path in STREAMS:
            continue
        sample = SAMPLES.get(what)
        if sample is None and (method != "get" or "{" in path or path == "/api/v1/query"):
            continue
        sample = sample or {}
        body = item[method].get("requestBody", {}).get("content", {})
        if "body" in sample:
            check(f"{what}: the sample", body["application/json"]["schema"], sample["body"])
        answer = requests.request(
            method,
            URL + sample.get("path", path),
            json=sample.get("body"),
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
        )
        response = responses.get(str(answer.status_code))
        if response is None:
            wrong.append(f"{what}: answered {answer.status_code}: {answer.text}")
        elif json_schema(response):
            check(what, json_schema(response), answer.json())
print(json.dumps({"wrong": wrong, "operations": operations}))
