#!/usr/bin/env python3
"""Writes .env.example, and the settings docker-compose.yml passes on, from settings.def. Run it in
the root of the repository when a setting was added; compose_settings_test says when."""
import re

HEAD = """# Settings of docker-compose.yml. Copy to .env and take out the # of what you change.
#
# The first part is the deployment itself, the second every setting of the five processes with its
# default (`adit config explain` prints the same); lists are written with commas. Those the compose
# file decides (addresses inside its network, files in its volumes) are not here. Made by
# deploy/compose/settings.py.

# --- the deployment
# ADIT_IMAGE=adit                          # the image of the five processes
# ADIT_NODE_IMAGE=bitcoin/bitcoin:29       # the node
# ADIT_REDIS_IMAGE=redis:7-bookworm
# ADIT_MONGO_IMAGE=mongo:7
# ADIT_PROXY_IMAGE=caddy:2
# ADIT_PROMETHEUS_IMAGE=prom/prometheus:v2.53.0   # --profile metrics
# ADIT_GRAFANA_IMAGE=grafana/grafana:11.1.0
# ADIT_GRAFANA_PORT=3000                          # on loopback
# ADIT_GRAFANA_OPEN=false                         # true: looked at without a log-in
# ADIT_SITE=localhost                      # the name dashboard and API have; a public one gets a certificate
# ADIT_HTTPS_PORT=8443
# ADIT_STRATUM_PORT=3333
# ADIT_WINDOW_MEMORY=2gb                   # maxmemory of redis.window
# ADIT_CACHE_MEMORY=256mb                  # and of redis.cache
# ADIT_MINER_HASHRATE=100000               # H/s of the miner that the test chain has
"""
ROW = re.compile(r'^SETTING\((\w+), (\w+), \w+, ("(?:[^"\\]|\\.)*"|[\w-]+), .*, '
                 r'"((?:[^"\\]|\\.)*)", "((?:[^"\\]|\\.)*)"\)$', re.M)
GIVEN = re.compile(r'^"?\$\{\w+:?-(.*)\}"?$')
MARK = "  # Any other setting is taken from .env or the environment where it is there (.env.example).\n"


def of_this_host(key, default):
    """A path below the data folder: the volumes say where those are."""
    return key.endswith("_dir") or (key.endswith("_file") and "%d" in default)


def main():
    compose = open("docker-compose.yml").read()
    begin, end = compose.index("x-environment"), compose.index("x-ready")
    block = compose[begin:end].split(MARK)[0].rstrip("\n") + "\n"
    decided = dict(re.findall(r"^  (ADIT_\w+): (.*)$", block, re.M))
    example, passed, section = [HEAD], [], None
    for part, key, default, unit, text in ROW.findall(open("common/service/settings.def").read()):
        name, default = f"ADIT_{part.upper()}__{key.upper()}", default.strip('"')
        if part in ("demo", "devnode"):  # of `adit up`
            continue
        if name in decided:
            given = GIVEN.match(decided[name])
            if not given:
                continue
            default = given.group(1)
        elif of_this_host(key, default):
            continue
        else:
            passed.append(name)
        if part != section:
            example.append(f"\n# --- {part}\n")
            section = part
        example.append(f"# {text}{f' [{unit}]' if unit else ''}\n# {name}={default}\n")
    open(".env.example", "w").write("".join(example))
    block += MARK + "".join(f"  {name}:\n" for name in passed) + "\n"
    open("docker-compose.yml", "w").write(compose[:begin] + block + compose[end:])


main()
