# SPDX-License-Identifier: Apache-2.0
"""The Model Context Protocol, spoken by its official Python client against the real binary."""

import asyncio

import pytest
import requests

import otlp
from mcp import Client

from weft import Weft


@pytest.fixture(scope="module")
def weft(tmp_path_factory):
    weft = Weft(tmp_path_factory.mktemp("mcp") / "data").start()
    for _ in range(3):
        answer = requests.post(weft.url("otlp_http", "/v1/traces"), data=otlp.call("web", "cart").SerializeToString(),
                               headers={"Content-Type": "application/x-protobuf"}, timeout=10)
        assert answer.status_code == 200
    flow = otlp.request("checkout", 2, trace_id=bytes(15) + b"\x07", attributes={"coordimap.flow.name": "checkout.place_order",
                        "coordimap.flow.run_id": "r/1", "entity.type": "order", "entity.id": "42"})
    for span, step in zip(otlp.spans(flow), ("reserve", "charge")):
        span.attributes.add(key="coordimap.flow.step").value.string_value = step
    assert requests.post(weft.url("otlp_http", "/v1/traces"), data=flow.SerializeToString(),
                         headers={"Content-Type": "application/x-protobuf"}, timeout=10).status_code == 200
    weft.map()  # settled
    yield weft
    assert weft.stop() == 0


def talk(weft, conversation, mode="auto"):
    async def run():
        async with Client(weft.url("http", "/mcp"), mode=mode) as client:
            return await conversation(client)

    return asyncio.run(run())


def text(result):
    return "\n".join(part.text for part in result.content)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_official_client_lists_the_tools_and_reads_the_map(weft, mode):
    async def conversation(client):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        return tools, await client.call_tool("get_map", {"from": "-1h"}), client.protocol_version

    tools, answer, version = talk(weft, conversation, mode)
    assert {"get_map", "compare_maps", "search_traces", "get_trace"} <= set(tools)
    assert version == ("2026-07-28" if mode == "auto" else "2025-11-25")
    assert not answer.is_error
    assert "web | calls | cart | 3" in text(answer)


def test_a_trace_is_found_and_told(weft):
    async def conversation(client):
        found = await client.call_tool("search_traces", {"q": '{ resource.service.name = "cart" }', "limit": 2})
        trace = text(found).strip().splitlines()[-1].split(" | ")[0]
        return found, await client.call_tool("get_trace", {"id": trace})

    found, trace = talk(weft, conversation)
    assert not found.is_error and not trace.is_error
    assert "cart" in text(trace) and "ms" in text(trace)


def test_focus_takes_a_name(weft):
    answer = talk(weft, lambda client: client.call_tool("get_map", {"from": "-1h", "focus": "Cart"}))
    assert not answer.is_error and "web | calls | cart" in text(answer)


@pytest.mark.parametrize("tool, arguments, says", [
    ("list_flows", {}, "checkout.place_order"),
    ("get_flow", {"name": "checkout.place_order"}, "reserve | charge | 1"),
    ("compare_flow", {"name": "checkout.place_order"}, "New steps"),
    ("list_runs", {"name": "checkout.place_order"}, "r/1 | ok"),
    ("get_run", {"name": "checkout.place_order", "run_id": "r/1"}, "charge | checkout"),
    ("get_entity", {"type": "order", "id": "42"}, "checkout.place_order | r/1"),
    ("list_services", {}, "cart"),
    ("compare_maps", {}, "New edges"),
    ("check_instrumentation", {}, ""),
])
def test_every_other_tool_answers(weft, tool, arguments, says):
    answer = talk(weft, lambda client: client.call_tool(tool, arguments))
    assert not answer.is_error, text(answer)
    assert says in text(answer), text(answer)


@pytest.mark.parametrize("tool, arguments, says", [
    ("search_traces", {"q": "{ nonsense"}, "TraceQL"),
    ("get_trace", {"id": "00000000000000000000000000000001"}, "no stored span has the trace id"),
    ("get_map", {"from": "yesterday-ish"}, "Hint"),
    ("get_map", {"colour": "red"}, "no argument colour"),
])
def test_what_cannot_be_answered_is_told_as_a_tool_s_error(weft, tool, arguments, says):
    answer = talk(weft, lambda client: client.call_tool(tool, arguments))
    assert answer.is_error
    assert says.lower() in text(answer).lower(), text(answer)


def test_a_page_of_another_site_is_refused(weft):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert requests.post(weft.url("http", "/mcp"), json=body, headers={"Origin": "https://evil.example"}).status_code == 403
    assert requests.post(weft.url("http", "/mcp"), json=body, headers={"Origin": "http://localhost.evil.example"}).status_code == 403
    assert requests.post(weft.url("http", "/mcp"), json=body, headers={"Origin": "http://localhost:6274"}).status_code == 200
    assert requests.get(weft.url("http", "/mcp")).status_code == 405
