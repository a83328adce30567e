"""Compares the chart's network policies with the table of arrows in docs/architecture.md.

arrows.py ARCHITECTURE.md RENDERED.yaml: every arrow of the table is allowed at both of its ends, on
the port its protocol has, and nothing else is. Prints what differs; exit 1 then."""
import re
import sys
import yaml

PARTS = {"stratum-gateway": "gateway", "share-validator": "validator", "inode-scheduler": "scheduler",
         "auth": "auth", "payout": "payout"}
BUS = {"validator": 7003, "scheduler": 7001, "auth": 7004, "payout": 7005}
PUBLISH = {"scheduler": 7002}
OUTSIDE = {"redis.window": "redis", "redis.cache": "redis", "nodes": "nodes", "node wallet": "nodes",
           "store": "store", "mail server": "mail", "list of validators": "lists",
           "webhooks": "webhooks"}
OUTSIDE_PORTS = {"redis": {6379}, "nodes": {8332, 18443}, "store": {27017}, "mail": {465, 587},
                 "lists": {443}, "webhooks": {443, 8443}}
ADMIN = {"gateway": 9180, "validator": 9181, "scheduler": 9182, "auth": 9183, "payout": 9184}
HTTP = {"scheduler": 8080, "auth": 8081}
OUTSIDERS = {"miners", "operators", "browsers", "monitoring"}


def table(path):
    """(from, to, port) between parts, and (from, what) to the outside."""
    inner, outer = set(), set()
    text = open(path).read().split("## The arrows")[1].split("\n## ")[0]
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or cells[0] in ("from", "---"):
            continue
        source = cells[0]
        target = re.sub(r" \(.*?\)", "", cells[1])
        if source.split(",")[0].split(" ")[0] in OUTSIDERS:
            continue
        source = PARTS[source]
        if target in PARTS:
            part = PARTS[target]
            if "SUB" in cells[2]:
                inner.add((source, part, PUBLISH[part]))
            if "REQ" in cells[2]:
                inner.add((source, part, BUS[part]))
        else:
            outer.add((source, OUTSIDE[target]))  # redis.window and redis.cache are one rule
    return inner, outer


def component(selector):
    return selector.get("matchLabels", {}).get("app.kubernetes.io/component")


def policies(path):
    """The same out of the rendered chart: allowed in, allowed out, to the outside; and what else."""
    entering, leaving, outer, odd = set(), set(), set(), []
    for document in yaml.safe_load_all(open(path)):
        if not document or document["kind"] != "NetworkPolicy":
            continue
        spec = document["spec"]
        part = component(spec["podSelector"])
        assert set(spec["policyTypes"]) == {"Ingress", "Egress"}, part
        for rule in spec["ingress"]:
            ports = {port["port"] for port in rule["ports"]}
            peers = rule.get("from", [])
            for peer in peers:
                other = component(peer["podSelector"])
                if other:
                    entering |= {(other, part, port) for port in ports}
                elif ports not in ({ADMIN[part]}, {HTTP.get(part)}):
                    odd.append(f"{part} lets {peer} in at {ports}")
            if not peers and (part != "gateway" or ports != {3333}):
                odd.append(f"{part} lets anybody in at {ports}")
        for rule in spec["egress"]:
            ports = {port["port"] for port in rule["ports"]}
            names = {component(peer.get("podSelector", {})) for peer in rule.get("to", [])}
            if names - {None}:
                leaving |= {(part, name, port) for name in names for port in ports}
            elif ports == {53}:
                continue
            else:
                what = [name for name, known in OUTSIDE_PORTS.items() if known == ports]
                if what:
                    outer.add((part, what[0]))
                else:
                    odd.append(f"{part} may go to {ports}")
    return entering, leaving, outer, odd


def main():
    inner, outer = table(sys.argv[1])
    entering, leaving, outside, odd = policies(sys.argv[2])
    for name, have, want in (("in", entering, inner), ("out", leaving, inner), ("outside", outside, outer)):
        odd += [f"{name}: the table has {one}, the chart does not" for one in sorted(want - have)]
        odd += [f"{name}: the chart allows {one}, the table does not have it" for one in sorted(have - want)]
    print("\n".join(odd) or f"{len(inner)} arrows between the parts and {len(outer)} to the outside, at both ends")
    sys.exit(1 if odd else 0)


main()
