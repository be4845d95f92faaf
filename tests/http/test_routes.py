"""Routes are declared one by one and in groups."""

from typing import Any, cast

import pytest

from mainstay.core.call import Call, Handler
from mainstay.errors import UsageError, WiringError
from mainstay.http.routes import Routes


async def first(call: Call, next: Handler) -> Any:
    return await next(call)


async def second(call: Call, next: Handler) -> Any:
    return await next(call)


def names(routes: Routes) -> list[str]:
    """What the routes answer to."""
    return [route.method_name for route in routes.routes()]


def test_decorators_declare_routes_and_give_the_function_back() -> None:
    """Each method has one; the function keeps its type."""
    routes = Routes()

    @routes.get("/a")
    @routes.head("/a")
    @routes.post("/a")
    @routes.put("/a")
    @routes.patch("/a")
    @routes.delete("/a")
    @routes.options("/a")
    @routes.route("/b", ["get", "PROPFIND", "GET"])
    @routes.websocket("/a")
    async def handler(x: int) -> str:
        return str(x)

    assert names(routes) == [
        "WEBSOCKET /a",
        "GET|PROPFIND /b",
        *(
            f"{method} /a"
            for method in ["OPTIONS", "DELETE", "PATCH", "PUT", "POST", "HEAD", "GET"]
        ),
    ]
    assert {route.function for route in routes.routes()} == {handler}
    assert {route.name for route in routes.routes()} == {"handler"}


def test_options_reach_the_route() -> None:
    """What is said is what the route has."""
    routes = Routes()

    @routes.get(
        "/a",
        name="n",
        host="example.org",
        middleware=[first],
        tags=["t"],
        summary="s",
        description="d",
        deprecated=True,
        documented=False,
        status=202,
        responses={404: "gone"},
        body_limit=10,
        timeout=2.0,
        detached=True,
        security=[{"key": []}],
        defaults={"x": 1},
    )
    async def handler() -> None: ...

    (route,) = routes.routes()
    assert (route.name, route.host, route.middleware) == ("n", "example.org", (first,))
    assert (route.tags, route.summary, route.description) == (("t",), "s", "d")
    assert (route.deprecated, route.documented, route.status) == (True, False, 202)
    assert (route.responses, route.body_limit, route.timeout) == ({404: "gone"}, 10, 2.0)
    assert (route.detached, route.security, route.defaults) == (True, [{"key": []}], {"x": 1})


def test_groups_stand_in_groups() -> None:
    """Prefixes and names are strung together, middleware and tags outer first."""
    inner = Routes("/users", name="users", tags=["users"], middleware=[second])
    middle = Routes("/{tenant}", host="example.org", timeout=5.0)
    service = Routes()

    @inner.get("")
    async def index() -> None: ...

    @inner.get("/{id:int}", tags=["one"], timeout=1.0, name="one")
    async def read() -> None: ...

    middle.include(inner)
    service.include(middle, "/v1", name="v1", middleware=[first], tags=["v1"])

    listed, one = service.routes()
    assert listed.path == "/v1/{tenant}/users"
    assert listed.name == "v1.users.index"
    assert listed.middleware == (first, second)
    assert listed.tags == ("v1", "users")
    assert (listed.host, listed.timeout) == ("example.org", 5.0)
    assert one.path == "/v1/{tenant}/users/{id:int}"
    assert (one.name, one.tags, one.timeout) == ("v1.users.one", ("v1", "users", "one"), 1.0)
    address = service.url_for("v1.users.one", tenant="acme", id=7, q="x")
    assert address == "//example.org/v1/acme/users/7?q=x"


def test_routes_that_come_later_count() -> None:
    """The order of including and declaring does not matter, for addresses neither."""
    service, group = Routes(), Routes("/g")
    service.include(group)
    service.include(group, "/again", name="again")
    with pytest.raises(UsageError, match="no route named 'late'"):
        service.url_for("late")

    @group.get("/late")
    async def late() -> None: ...

    assert names(service) == ["GET /g/late", "GET /again/g/late"]
    assert service.url_for("late") == "/g/late"
    assert service.url_for("again.late") == "/again/g/late"


def test_a_group_cannot_be_in_itself() -> None:
    """Neither directly nor through another."""
    one, two = Routes("/one"), Routes("/two")
    one.include(two)
    for group in (one, two):
        with pytest.raises(WiringError, match="a group cannot be in itself"):
            group.include(one)


def test_a_conflict_is_refused_where_it_arises() -> None:
    """The decorator raises, and quotes both routes with their places."""
    routes = Routes("/users")

    @routes.get("/{id}")
    async def one() -> None: ...

    with pytest.raises(WiringError) as caught:

        @routes.route("/{name}", ["PUT", "GET"])
        async def two() -> None: ...

    said = caught.value.message
    assert said.startswith("PUT|GET /users/{name} of test_a_conflict")
    assert f"two ({__file__}:" in said
    assert "answers to the same requests as GET /users/{id} of " in said
    assert f"one ({__file__}:" in said
    assert names(routes) == ["GET /users/{id}"]


def test_the_same_path_on_another_host_or_as_a_websocket_is_no_conflict() -> None:
    """They are for other requests."""
    routes = Routes()
    for host in (None, "a.example", "{t}.example"):
        routes.get("/a", host=host)(test_groups_stand_in_groups)
    routes.websocket("/a")(test_groups_stand_in_groups)
    routes.mount("/a", test_groups_stand_in_groups)
    assert len(routes.routes()) == 5
    with pytest.raises(WiringError, match="WEBSOCKET /a of"):
        routes.websocket("/a")(test_groups_stand_in_groups)


def test_a_mount_has_a_prefix_and_no_name() -> None:
    """Unless it is given one."""
    routes = Routes("/apps")
    app = test_a_mount_has_a_prefix_and_no_name
    routes.mount("/old", app)
    routes.mount("/new", app, name="new")
    old, new = routes.routes()
    assert (old.kind, old.path, old.name, old.function) == ("mount", "/apps/old", "", app)
    assert (new.name, routes.url_for("new", path="x")) == ("new", "/apps/new/x")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda r: r.get(len), r"@get needs a path, such as @get\('/users/\{id\}'\)"),
        (lambda r: r.get("/a")(None), r"get\('/a'\): None cannot be called"),
        (lambda r: r.get("a")(len), "begins with a slash"),
        (lambda r: Routes("/h").get("a")(len), "the route 'a' cannot be: .* begins with a slash"),
        (lambda r: Routes("/h").websocket("a")(len), "begins with a slash"),
        (lambda r: r.get("/a", tag=[]), "no option 'tag'; did you mean 'tags'"),
        (lambda r: r.get("/a", host="a:80")(len), "leave the port out"),
        (lambda r: r.route("/a", "GET"), "methods is a list"),
        (lambda r: r.route("/a", []), "methods is a list"),
        (lambda r: r.route("/a", ["GET /"]), "'GET /' is no method"),
        (lambda r: r.route("/a", ["WEBSOCKET"]), "'WEBSOCKET' is no method"),
        (lambda r: r.mount("/a/", len), "leave out the slash at the end"),
        (lambda r: r.mount(len, len), "a prefix is text"),
        (lambda r: r.include(len), "only Routes can be included; an ASGI app is mounted"),
        (lambda r: r.include(Routes(), "v1"), "begins with a slash"),
        (lambda r: Routes("/"), "leave out the slash at the end"),
        (lambda r: cast("Any", Routes)(summary="x"), "no option 'summary'"),
        (lambda r: Routes(host="a..b"), "looks like example.org"),
    ],
)
def test_what_cannot_be_is_refused_at_once(wrong: Any, message: str) -> None:
    """The author sees it at the line where it stands."""
    with pytest.raises(WiringError, match=message):
        wrong(Routes())


def test_a_group_shows_what_it_is() -> None:
    """Its prefix and how many routes it has."""
    routes = Routes("/a")
    routes.get("")(test_a_group_shows_what_it_is)
    assert repr(routes) == "<Routes /a routes=1>"
