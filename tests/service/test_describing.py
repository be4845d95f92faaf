"""What a service says of itself."""

from mainstay import Service
from mainstay.service.checking import wired
from mainstay.service.describing import describe


def test_the_document_has_the_name_and_the_routes() -> None:
    """Those of the service; probes and metrics are not part of its interface."""
    service = Service("shop")

    @service.get("/items/{id:int}", tags=["items"])
    async def read(id: int) -> str: ...  # type: ignore[empty-body]

    wiring = wired(service.declaration, files=(), environ={})
    document = describe(service.declaration, wiring.endpoints)
    assert document["info"]["title"] == "shop"
    assert list(document["paths"]) == ["/items/{id}"]
    assert document["paths"]["/items/{id}"]["get"]["tags"] == ["items"]


def test_the_service_says_what_its_interface_is() -> None:
    """Title, version and description; the name and 0.0.0 without."""
    service = Service("shop", title="The shop", version="1.4.0", description="*Pens*.")
    info = describe(service.declaration, None)["info"]
    assert info == {"title": "The shop", "version": "1.4.0", "description": "*Pens*."}
    assert describe(Service("shop").declaration, None)["info"] == {
        "title": "shop",
        "version": "0.0.0",
    }


def test_a_service_without_routes_has_a_document() -> None:
    """An empty one."""
    assert describe(Service("shop").declaration, None)["paths"] == {}
