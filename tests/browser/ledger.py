"""ledger.py STORE ACCOUNT [legs]: the sums of an account's postings that count, as four texts of base units
(immature, available, in flight, paid), read from the SQLite store beside the API, leg by leg
(common/record/ledger/entry.c has the format); with `legs` each one, as "sequence kind amount". What
the pages say is held against this."""
import json
import sqlite3
import struct
import sys

FORMAT, LEG, MINER, CLOSED = 1, struct.Struct("<BBQqQQ"), 1, 2


def legs(store, account):
    """The account's legs of sets that count: (sequence, kind, amount)."""
    pages = store.execute("select p.id, p.packed from entry_pages p join sets s on s.id = substr(p.id, 1, 20)"
                          " where s.state >= ?", (CLOSED,))
    for name, packed in pages:
        assert packed[0] == FORMAT and (len(packed) - 1) % LEG.size == 0
        for owner, kind, who, amount, _, _ in LEG.iter_unpack(packed[1:]):
            if owner == MINER and who == account:
                yield int(name[:20]), kind, amount


found = legs(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=20), int(sys.argv[2], 16))
if sys.argv[3:] == ["legs"]:
    print(json.dumps([f"{sequence} {kind} {amount}" for sequence, kind, amount in found]))
else:
    kinds = {kind: 0 for kind in (1, 2, 3, 4)}
    for _, kind, amount in found:
        kinds[kind] += amount
    print(json.dumps([str(kinds[kind]) for kind in (1, 2, 3, 4)]))
