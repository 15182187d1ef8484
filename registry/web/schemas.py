"""The schemas of requests and answers for OpenAPI, made from their models."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema
from pydantic_core import core_schema

from registry.settings import Settings
from registry.web.bodies import FORM, JSON, TEXT
from registry.web.requests import Request, places

Node = dict[str, Any]


def ref(group: str, name: str) -> Node:
    """A reference to a component."""
    return {"$ref": f"#/components/{group}/{name}"}


class Schemas:
    """All schemas; those that have a name are in `definitions`."""

    def __init__(
        self,
        requests: Sequence[type[Request]],
        answers: Sequence[type[BaseModel]],
        settings: Settings,
    ) -> None:
        modes: dict[type[BaseModel], JsonSchemaMode] = {
            **dict.fromkeys(requests, "validation"),
            **dict.fromkeys(answers, "serialization"),
        }
        _, document = models_json_schema(
            list(modes.items()),
            ref_template="#/components/schemas/{model}",
            schema_generator=_Generator,
        )
        self.definitions: Node = document["$defs"]
        self.definitions["ItemText"]["maxLength"] = settings.max_item_length

        self._requests = {
            model: self.definitions.pop(model.__name__) for model in dict.fromkeys(requests)
        }
        for model in self._requests:
            self._define_bodies(model)

    def parameters(self, model: type[Request], with_body: bool = False) -> list[Node]:
        """The parameters of a request. With a body, those in the query are optional."""
        schema = self._requests[model]
        parameters = []
        for name, place in places(model).items():
            member = dict(schema["properties"][name])
            parameter = {"name": name, "in": place.place, "description": member.pop("description")}
            if name in schema.get("required", []) and not (with_body and place.place == "query"):
                parameter["required"] = True
            parameters.append(parameter | {"schema": member})
        return parameters

    def request_body(self, model: type[Request]) -> Node | None:
        """The body of a request, in each form that it may have; None where it has none."""
        members = self._body_members(model)
        if not members:
            return None

        example = {name: self._example(member) for name, member in members.items()}
        content: Node = {
            JSON: {"schema": ref("schemas", model.__name__), "example": example},
            FORM: {"schema": ref("schemas", f"{model.__name__}Form"), "example": example},
        }
        if model.text_member is not None:
            name = model.text_member
            content[TEXT] = {"schema": members[name], "example": example[name]}
        return {"description": "What is not in the query.", "content": content}

    def _define_bodies(self, model: type[Request]) -> None:
        members = self._body_members(model)
        if not members:
            return

        schema = self._requests[model]
        body = {
            "type": "object",
            "description": schema["description"],
            "properties": members,
            "required": [name for name in schema.get("required", []) if name in members],
            "additionalProperties": False,
        }
        self.definitions[model.__name__] = body
        # A schema of its own, because generators make one class of one schema.
        self.definitions[f"{model.__name__}Form"] = body

    def _body_members(self, model: type[Request]) -> dict[str, Node]:
        """The schemas of what may be in the body instead of the query."""
        properties = self._requests[model]["properties"]
        return {
            name: {key: value for key, value in properties[name].items() if key != "description"}
            for name, place in places(model).items()
            if place.place == "query"
        }

    def _example(self, member: Node) -> Any:
        """The first example of a member, or of the type that it refers to."""
        name = member.get("$ref", "").rpartition("/")[2]
        return self.definitions.get(name, member)["examples"][0]


class _Generator(GenerateJsonSchema):
    """Pydantic's, without what says nothing: titles of members, and defaults of answers."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Node:
        node = super().default_schema(schema)
        if self.mode == "serialization":
            node.pop("default", None)
        return node
