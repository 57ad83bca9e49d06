"""How a vendor's API is called: what is repeated, what each refusal becomes."""

from __future__ import annotations

import pytest
import requests
import responses
from responses import matchers

from services.clients.api import ApiClient, ApiRefused
from services.clients.tavus import TavusClient
from services.errors import BadGateway, TooManyRequests, Unavailable
from services.settings import load_settings

BASE = "https://tavus.example.test/v2"
KEY = "key-of-the-test"


@pytest.fixture
def tavus() -> TavusClient:
    return TavusClient(
        load_settings(
            {
                "SUPABASE_URL": "https://project.example.test",
                "SUPABASE_SECRET_KEY": "sb_secret_x",
                "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
                "TAVUS_API_KEY": KEY,
                "TAVUS_BASE_URL": BASE,
            }
        )
    )


@responses.activate
def test_key_and_query_are_sent(tavus: TavusClient) -> None:
    responses.get(
        f"{BASE}/conversations/c1",
        json={"status": "ended"},
        match=[
            matchers.header_matcher({"x-api-key": KEY}),
            matchers.query_param_matcher({"verbose": "true"}),
        ],
    )
    assert tavus.get("/conversations/c1", verbose="true") == {"status": "ended"}


@responses.activate
def test_a_read_is_repeated_while_tavus_is_busy(tavus: TavusClient) -> None:
    responses.get(f"{BASE}/personas", status=503, headers={"Retry-After": "0"})
    responses.get(f"{BASE}/personas", status=429, headers={"Retry-After": "0"})
    responses.get(f"{BASE}/personas", json={"data": []})
    assert tavus.get("/personas") == {"data": []}


@responses.activate
def test_a_write_is_sent_once(tavus: TavusClient) -> None:
    refused = responses.post(f"{BASE}/conversations", status=503, json={"message": "later"})
    with pytest.raises(ApiRefused, match="Tavus refused the call \\(503\\): later"):
        tavus.post("/conversations", {"persona_id": "p1"})
    assert refused.call_count == 1


@responses.activate
def test_no_connection_is_unavailable(tavus: TavusClient) -> None:
    responses.post(f"{BASE}/conversations", body=requests.ConnectionError("refused"))
    with pytest.raises(Unavailable, match="Tavus cannot be reached"):
        tavus.post("/conversations", {})


@responses.activate
@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (400, {"message": "User has reached maximum concurrent conversations"}),
        (400, {"error": "User has reached maximum concurrent conversations"}),
        (429, {"message": "slow down"}),
    ],
)
def test_full_concurrency(tavus: TavusClient, status: int, answer: dict[str, str]) -> None:
    responses.post(f"{BASE}/conversations", status=status, json=answer)
    with pytest.raises(TooManyRequests):
        tavus.post("/conversations", {})


@responses.activate
def test_a_bad_key_is_told_without_the_key(tavus: TavusClient) -> None:
    responses.post(f"{BASE}/conversations", status=401, json={"message": "Invalid access token"})
    with pytest.raises(BadGateway) as refused:
        tavus.post("/conversations", {})
    assert "TAVUS_API_KEY" in refused.value.detail
    assert KEY not in refused.value.detail


@responses.activate
@pytest.mark.parametrize("body", ["<html>", "", "[1", "\ud800", "[" * 100_000])
def test_an_answer_that_is_no_json(tavus: TavusClient, body: str) -> None:
    responses.get(f"{BASE}/personas", body=body.encode("utf-8", "surrogatepass"))
    if body:
        with pytest.raises(ApiRefused, match="no JSON"):
            tavus.get("/personas")
    else:
        assert tavus.get("/personas") is None


@responses.activate
def test_no_redirect_is_followed(tavus: TavusClient) -> None:
    responses.get(f"{BASE}/personas", status=302, headers={"Location": "https://other.test/"})
    with pytest.raises(ApiRefused):
        tavus.get("/personas")


@responses.activate
def test_unchanged_is_none(tavus: TavusClient) -> None:
    responses.patch(f"{BASE}/objectives/o1", status=304)
    assert tavus.patch("/objectives/o1", []) is None


def page(number: int, rows: int, **more: object) -> None:
    responses.get(
        f"{BASE}/objectives",
        json={"data": [{"n": n, "page": number} for n in range(rows)], **more},
        match=[matchers.query_param_matcher({"limit": 100, "page": number})],
    )


@responses.activate
@pytest.mark.parametrize("size", [100, 40])
def test_a_list_is_read_to_its_end_whatever_size_its_pages_have(
    tavus: TavusClient, size: int
) -> None:
    page(1, size)
    page(2, 3)
    page(3, 0)
    assert len(list(tavus.pages("/objectives"))) == size + 3


@responses.activate
def test_a_list_that_tells_its_length_is_not_asked_further(tavus: TavusClient) -> None:
    page(1, 5, total_count=5)
    assert len(list(tavus.pages("/objectives"))) == 5


@responses.activate
@pytest.mark.parametrize("told", ["5", "many", [5], {}, None, 0, -1])
def test_a_list_that_tells_no_length_is_read_to_its_end(tavus: TavusClient, told: object) -> None:
    page(1, 5, total_count=told)
    page(2, 3, total_count=told)
    page(3, 0)
    assert len(list(tavus.pages("/objectives"))) == 8


@responses.activate
def test_a_list_without_pages_ends(tavus: TavusClient) -> None:
    responses.get(f"{BASE}/objectives", json={"data": [{"n": 1}]})
    assert list(tavus.pages("/objectives")) == [{"n": 1}]


@responses.activate
@pytest.mark.parametrize("data", [None, "x", {"a": 1}, [1, None]])
def test_a_list_of_something_else_is_empty(tavus: TavusClient, data: object) -> None:
    responses.get(f"{BASE}/objectives", json={"data": data})
    assert list(tavus.pages("/objectives")) == []


@responses.activate
def test_another_vendor_explains_itself() -> None:
    client = ApiClient("Acme", "https://acme.example.test/", {"X-Key": "k"})
    responses.get("https://acme.example.test/a", status=418, json=["no"])
    with pytest.raises(ApiRefused, match="Acme refused the call \\(418\\)") as refused:
        client.get("/a")
    assert refused.value.vendor_status == 418
