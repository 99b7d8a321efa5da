# SPDX-License-Identifier: Apache-2.0
"""Writes an answer of /api/v1/map as the sorted lines in which the contract's examples are told."""


def place(*parts):
    """The suffix that tells scope, environment and namespace, when they are not the default ones."""
    scope, environment, namespace = (*parts, "")[:3]
    if (scope, environment, namespace) == ("default", "", ""):
        return ""
    return "{" + ",".join([scope, environment] + ([namespace] if namespace else [])) + "}"


def address_and_database(node, nodes):
    """`postgresql@db:5432/shop`, with the service in front when the database is embedded in one."""
    owner = nodes[node["service"]]["name"] + "!" if "service" in node else ""
    return f"{owner}{node['system']}@{node.get('address', '')}/{node.get('namespace', '')}"


def node_name(node, nodes):
    suffix = place(node["scope"], node["environment"], node.get("namespace", "") if node["type"] == "service" else "")
    if node["type"] == "service":
        return node["name"] + suffix
    if node["type"] == "external":
        return f"ext({node['name']}){suffix}"
    if node["type"] == "queue":
        return f"{node.get('system', '')}>{node['name']}{suffix}"
    if node["type"] == "database":
        return address_and_database(node, nodes) + suffix
    if node["type"] == "flow":
        return node["name"] + suffix
    if node["type"] == "step":
        return f"{nodes[node['parent']]['name']}#{node['name']}{suffix}"
    return f"{address_and_database(nodes[node['parent']], nodes)}:{node['collection']}{suffix}"


def edge_line(edge, names):
    words = [names[edge["source"]], edge["relation"], names[edge["target"]], str(edge["count"])]
    if edge["errors"]:
        words.append(f"errors={edge['errors']}")
    if edge["adjusted_count"] != edge["count"]:
        words.append(f"adjusted={edge['adjusted_count']:g}")
    silent = {"publishes": {"messaging"}, "consumes": {"messaging"}, "performs": {"flow"}, "follows": {"flow"}}
    if set(edge["rules"]) != silent.get(edge["relation"]):
        words.append(",".join(f"{rule}:{count}" for rule, count in sorted(edge["rules"].items())))
    if edge["flows"]:
        words.append("for " + ",".join(sorted(f"{f['flow']}#{f['step']}:{f['count']}" for f in edge["flows"])))
    return " ".join(words)


def entry_line(node, name):
    return f"entry {name} {node['requests']}" + (f" errors={node['errors']}" if node.get("errors") else "")


def lines(answer):
    """All lines that /map can tell, as {kind: sorted lines}."""
    nodes = {node["id"]: node for node in answer["nodes"]}
    names = {key: node_name(node, nodes) for key, node in nodes.items()}
    hops = [f"hop {names[hop['producer']]} {names[hop['queue']]} {names[hop['consumer']]} {hop['count']}"
            for hop in answer["hops"]]
    entries = [entry_line(node, names[key]) for key, node in nodes.items() if node.get("requests")]
    return {"edge": sorted(edge_line(edge, names) for edge in answer["edges"]), "hop": sorted(hops),
            "node": sorted(f"node {node['type']} {names[key]}" for key, node in nodes.items()),
            "entry": sorted(entries)}
